"""What a row and a sample say of themselves beside their ids: question, picture, split, label."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

from harness.core.types import Sample

ASKS = ("question", "instruction", "prompt", "query", "text")
"""Where a task's sample, or the record in it, holds what is asked."""
WORD = re.compile(r"\w+")
SUFFIX = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?)$", re.IGNORECASE)
COCO = re.compile(r"(?:coco_[a-z0-9]+_)?(\d+)")
CUT = 250
"""Characters from which on a question may begin or end inside a word."""
LONGEST = 300
"""Characters of a picture's name; longer ones are the picture itself, in base64."""


def words(text: str) -> str:
    """A text for comparison: its words in small letters, without marks of pictures."""
    return " ".join(WORD.findall(text.replace("<image>", " ").lower()))


def asks_the_same(said: str, asked: str) -> bool:
    """Whether one prompt holds the other: suites put sentences before and after a question, and logs cut long ones
    anywhere. Both as `words`."""
    if len(said) > CUT:
        said = said[said.index(" ") + 1 : said.rindex(" ")] if said.count(" ") > 1 else said
    return said == asked or (
        bool(said) and bool(asked) and (f" {asked} " in f" {said} " or f" {said} " in f" {asked} ")
    )


def picture(name: Any) -> str:
    """A picture's name for comparison: no folder, no suffix, and of COCO's names the number alone."""
    if isinstance(name, bool) or not isinstance(name, int | float | str):
        return ""
    text = str(int(name)) if isinstance(name, float) and name.is_integer() else str(name).strip()
    if not text or len(text) > LONGEST:
        return ""
    stem = SUFFIX.sub("", text.replace("\\", "/").rpartition("/")[2]).lower()
    number = COCO.fullmatch(stem)
    return str(int(number[1])) if number and len(stem) < 100 else stem


def plain(value: Any) -> str:
    """A label for comparison: yes for "Yes ", 3 for 3.0; lists of one are that one, and written ones are lists."""
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(plain(v) for v in value) + "]"
    return "" if value is None else str(value).strip().lower()


def name(value: Any) -> str:
    """An id as text: 7 for 7.0, "7.0" and 7."""
    if value is None or isinstance(value, bool | dict | list):
        return ""
    text = str(value).strip()
    return text[:-2] if text.endswith(".0") and text[:-2].isdigit() else "" if text == "nan" else text


@dataclass(frozen=True)
class Asked:
    """The samples of a task, with what they say of themselves."""

    samples: list[Sample]
    groups: frozenset[str]
    """Every name of a split or group that the task knows, asked in this run or not; small letters."""

    @classmethod
    def of(cls, samples: Iterable[Sample], groups: Iterable[str]) -> Asked:
        found = list(samples)
        return cls(found, frozenset(g.lower() for g in (*groups, *(s.group for s in found))))

    @cached_property
    def texts(self) -> list[str]:
        """What each asks, "" where the task asks the same of all."""
        return [_question(s.data) for s in self.samples]

    @cached_property
    def questions(self) -> list[str]:
        """The words of each of `texts`, for comparison with a row's question."""
        plain_words = {t: words(t) for t in set(self.texts)}
        return [plain_words[t] for t in self.texts]

    @cached_property
    def pictures(self) -> list[str]:
        return [picture(s.data.get("image")) for s in self.samples]

    @cached_property
    def targets(self) -> list[str]:
        return [plain(s.target) for s in self.samples]

    @cached_property
    def names(self) -> dict[str, list[int]]:
        """Every name under which a row may mean a sample -> places of the samples."""
        found: dict[str, list[int]] = {}
        once = {p for p, n in Counter(self.pictures).items() if n == 1 and p}
        for i, sample in enumerate(self.samples):
            own = [sample.id, name(sample.data.get("question_id"))]
            own += [self.pictures[i]] if self.pictures[i] in once else []
            own += [picture(own[1])] if own[1] else []
            for one in dict.fromkeys(n for n in own if n):
                found.setdefault(one, []).append(i)
        return found

    def called(self, value: Any) -> list[int]:
        """The samples that an id names: as it stands, or as a picture's name."""
        text = name(value)
        folded = picture(text) if "/" not in text or SUFFIX.search(text) else ""
        return self.names.get(text) or self.names.get(folded, [])


def _question(data: Mapping[str, Any]) -> str:
    """What a sample asks: a text of its data, or of the record in it."""
    records = [{f.name: getattr(v, f.name) for f in fields(v)} for v in data.values() if is_dataclass(v)]
    for holder in (data, *records):
        for key in ASKS:
            if isinstance(holder.get(key), str) and holder[key]:
                return holder[key]
    return ""

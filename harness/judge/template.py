"""A judge's prompt: a text file with named placeholders, and the verdicts that it asks for."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from harness.core.errors import UsageError, first_line, nearest
from harness.core.yaml_loader import Loader

FOLDER = Path(__file__).parent / "prompts"
SINGLE, PAIR = ("answer",), ("answer_a", "answer_b")
FIELDS = ("question", "reference", *SINGLE, *PAIR)
"""What a prompt may name. Any other brace is text."""
PLACE = re.compile(r"\{([a-z_]+)\}")
HEAD = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Template:
    """The text, and the value of each verdict: 1 is best, 0 is worst."""

    name: str
    text: str
    verdicts: Mapping[str, float]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that the judge is asked and told."""
        return hashlib.sha256(json.dumps([self.text, dict(self.verdicts)]).encode()).hexdigest()

    @cached_property
    def fields(self) -> frozenset[str]:
        return frozenset(PLACE.findall(self.text))

    @property
    def pairwise(self) -> bool:
        return self.fields.issuperset(PAIR)

    def filled(self, values: Mapping[str, str]) -> str:
        """The prompt with these values in its places. Braces in the values stay what they are."""
        return PLACE.sub(lambda m: values[m[1]], self.text)


def builtin() -> list[str]:
    """Names of the prompts that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def read(word: str) -> Template:
    """The prompt of that name, or in that file. Raises UsageError for one that cannot be used."""
    known = builtin()
    path = FOLDER / f"{word}.md" if word in known else Path(word)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or "not UTF-8"
        raise UsageError(
            f"judge.prompt={word} is neither a file that can be read ({reason}) nor a built-in prompt: "
            f"{nearest(word, known)}"
        ) from e
    return parsed(path.stem, text, f"judge.prompt={word}")


def parsed(name: str, text: str, called: str) -> Template:
    """A prompt from the text of its file. Raises UsageError, which begins with `called`."""
    head = HEAD.match(text.replace("\r\n", "\n"))
    if head is None:
        raise UsageError(
            f"{called} must begin with ---, a line such as verdicts: {{correct: 1, incorrect: 0}}, and ---"
        )
    made = Template(name, head[2].strip(), _verdicts(head[1], called))
    for field in sorted(made.fields - {*FIELDS}):
        raise UsageError(f"{called}: unknown placeholder {{{field}}}: {nearest(field, FIELDS)}")
    if made.fields.isdisjoint(SINGLE) and not made.pairwise:
        raise UsageError(f"{called} shows the judge no answer: write {{answer}}, or {{answer_a}} and {{answer_b}}")
    if not made.fields.isdisjoint(SINGLE) and not made.fields.isdisjoint(PAIR):
        raise UsageError(f"{called} names {{answer}} beside {{answer_a}} or {{answer_b}}: a prompt grades or compares")
    return made


def _verdicts(head: str, called: str) -> dict[str, float]:
    try:
        found = yaml.load(head, Loader=Loader)
    except yaml.YAMLError as e:
        why = getattr(e, "problem", None) or first_line(e)
        raise UsageError(f"{called}: the text between the --- lines is not valid YAML ({why})") from e
    verdicts = found.get("verdicts") if isinstance(found, dict) else None
    if not isinstance(verdicts, dict) or len(verdicts) < 2:
        raise UsageError(f"{called} needs two verdicts or more: verdicts: {{correct: 1, incorrect: 0}}")
    made: dict[str, float] = {}
    for word, value in verdicts.items():
        # YAML 1.1 reads yes, no, on and off as switches.
        word = {True: "yes", False: "no"}[word] if isinstance(word, bool) else str(word).strip()
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or not 0 <= value <= 1
        ):
            raise UsageError(f"{called}: verdict {word} is worth {value}: give a number from 0 to 1")
        if not re.fullmatch(r"\w[\w .-]*", word) or word.lower() in map(str.lower, made):
            raise UsageError(f"{called}: verdict {word!r} must be a word of its own, in letters and digits")
        made[word] = float(value)
    return made

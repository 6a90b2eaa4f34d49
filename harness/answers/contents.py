"""What the rows of a file say beside their ids, in the words of the task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from harness.answers.content import Asked, asks_the_same, picture, words
from harness.answers.layouts import ANSWERS, IMAGES, QUESTIONS, SPLITS
from harness.answers.rows import Row, Rows, at


class Contents:
    """What the rows say beside their ids. Fields are read where their values mean something to the task."""

    def __init__(self, rows: Rows, asked: Asked, *, trusted: bool):
        self.rows, self.asked = rows, asked
        found = [] if trusted else rows.rows
        self.question = self._question(found)
        self.image = self._image(found)
        self._known: dict[str, set[str]] = {}
        splits = self._there(SPLITS)
        self.split = next((f for f in splits if any(self._groups(r, f) for r in rows.rows)), None)
        stem = rows.path.stem.lower()
        named = [g for g in asked.groups if g in stem]
        self.of_file = max(named, key=len) if named else ""

    def _there(self, names: Iterable[str]) -> list[str]:
        """Those of the fields that rows have, and inside their objects."""
        return [*(n for n in names if n in self.rows.fields), *self.rows.inner(names)]

    def _image(self, rows: list[Row]) -> str | None:
        """The field with the picture's name: one whose names the task knows, or the first that holds a name."""
        known = set(self.asked.pictures) - {""}
        some = rows[:: max(1, len(rows) // 50)]
        held = {f: {picture(at(r, f)) for r in some} - {""} for f in self._there(IMAGES)} if known else {}
        named = [f for f, names in held.items() if names]
        return next((f for f in named if held[f] & known), named[0] if named else None)

    def _question(self, rows: list[Row]) -> str | None:
        """The field with the question: not the same words in all rows, unless the task asks the same everywhere."""
        if not rows or not any(self.asked.questions):
            return None
        varies = len(set(self.asked.questions)) > 1
        for key in self._there(QUESTIONS):
            texts = {t for r in rows[:1000] if isinstance(t := at(r, key), str)}
            if any(" " in t for t in texts) and (len(texts) > 1 or len(rows) == 1 or not varies):
                return key
        if "text" in self.rows.fields and any(f in self.rows.fields for f in ANSWERS if f != "text"):
            known = set(self.asked.questions)
            if any(words(t) in known for r in rows[:1000] if isinstance(t := r.get("text"), str)):
                return "text"
        return None

    @cached_property
    def questions(self) -> list[str]:
        return [words(t) if isinstance(t, str) else "" for t in self._column(self.question)]

    def prompts(self, i: int) -> list[str]:
        """A row's prompt, its first line, and what stands before the first question mark, as `words`."""
        text = at(self.rows.rows[i], self.question) if self.question else None
        return [words(t) for t in (text, text.split("\n")[0], text.partition("?")[0])] if isinstance(text, str) else []

    @cached_property
    def pictures(self) -> list[str]:
        return [picture(v) for v in self._column(self.image)]

    @cached_property
    def groups(self) -> list[set[str]]:
        return [self._groups(r, self.split) if self.split else set() for r in self.rows.rows]

    def _groups(self, row: Row, key: str) -> set[str]:
        """The task's groups that a field names: "random,popular", "coco_pope_random"."""
        value = at(row, key)
        if not isinstance(value, str):
            return set()
        if value not in self._known:
            whole = value.strip().lower()  # a group's own name may hold a comma
            words = [whole] if whole in self.asked.groups else [w.strip() for w in whole.split(",")]
            tails = {g for g in self.asked.groups for w in words if w == g or w.endswith((f"_{g}", f"-{g}", f"/{g}"))}
            self._known[value] = {g for g in tails if not any(t != g and t.endswith(g) for t in tails)}
        return self._known[value]

    def _column(self, key: str | None) -> Iterator[Any]:
        return (at(r, key) if key else None for r in self.rows.rows)

    def says(self, i: int, j: int) -> bool | None:
        """Whether row i agrees with sample j in question and picture; None where there is nothing to compare."""
        said, asked, seen, shown = self.questions[i], self.asked.questions[j], self.pictures[i], self.asked.pictures[j]
        checks = []
        if said and asked:
            checks.append(asks_the_same(said, asked))
        if seen and shown:
            checks.append(seen == shown)
        return all(checks) if checks else None

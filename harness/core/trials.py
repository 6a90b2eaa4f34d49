"""What a calibration measures one by one: kept as it comes, so that an interrupted one resumes, with its progress."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

EVERY = 10.0
"""Seconds between two lines of progress."""
Step = TypeVar("Step")


class Trials:
    """Measures steps. Without a file nothing is kept, without `say` nothing is said."""

    def __init__(self, path: Path | None = None, say: Callable[[str], None] | None = None):
        self.path, self.say = path, say

    def __call__(self, steps: Sequence[Step], measure: Callable[[Step], Any]) -> list[Any]:
        """`measure` of each step, in turn: numbers, or lists of them; None is a value, too. What the file already
        holds, from the first step on, is not measured again. A calibration calls this once."""
        found = self._kept()[: len(steps)]
        if found and self.say:
            self.say(f"{len(found)}/{len(steps)} are done already")
        began = spoke = time.monotonic()
        before = len(found)
        for step in steps[before:]:
            found.append(measure(step))
            self._keep(found[-1])
            now = time.monotonic()
            if self.say and now - spoke > EVERY and len(found) < len(steps):
                spoke = now
                left = (now - began) / (len(found) - before) * (len(steps) - len(found))
                self.say(f"{len(found)}/{len(steps)}, {left:.0f} s left")
        return found

    def _kept(self) -> list[Any]:
        """Values of the file's whole lines; what was torn off, or left damaged by a power cut, is cut away."""
        if self.path is None or not self.path.exists():
            return []
        text, found, end = self.path.read_bytes(), list[Any](), 0
        for line in text[: text.rfind(b"\n") + 1].splitlines(keepends=True):
            try:
                found.append(json.loads(line))
            except ValueError:
                break
            end += len(line)
        if end < len(text):
            self.path.write_bytes(text[:end])
        return found

    def _keep(self, value: Any) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")

"""When a run is given up: so many equal errors and no success mean that the fault is not in the samples."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.core.types import Result

VARYING = re.compile(r"\S*[/\\]\S*|\d+")
"""Paths and numbers, which differ between errors of one cause."""


@dataclass
class Alike:
    """Counts a run's errors until a sample succeeds. `most`: equal ones that end the run; 0 for no such limit."""

    most: int
    _errors: Counter[str] = field(default_factory=Counter)
    _succeeded: bool = False

    def add(self, results: Iterable[Result]) -> None:
        for result in results:
            if result.error:
                self._errors[f"{result.error['type']}: {VARYING.sub('#', result.error['message'])}"] += 1
            else:
                self._succeeded = True

    def hopeless(self) -> bool:
        return bool(self.reason)

    @property
    def reason(self) -> str:
        """Why the run is given up; "" if it is not."""
        ((_, most),) = self._errors.most_common(1) or [("", 0)]
        if not self.most or self._succeeded or most < self.most:
            return ""
        return f"{most} equal errors and no success (max_equal_errors={self.most})"

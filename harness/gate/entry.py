"""What a report is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from harness.stats import Difference
from harness.stats.decision import Verdict


@dataclass(frozen=True)
class Entry:
    """One check of one run. `state` is the gate's, or missing, incomparable, incomplete, unjudged, over,
    within."""

    run: str
    check: str
    """"correct (all)", "passes" ..."""
    state: str
    blocking: bool
    message: str
    difference: Difference | None = None
    verdict: Verdict | None = None
    delta: float | None = None
    flipped: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

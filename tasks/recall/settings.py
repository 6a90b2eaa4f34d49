"""The settings of recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from harness.core import UsageError
from harness.records.settings import OneOf, Rule, Ruled, Whole, Within
from harness.tasks.recall.mqar import FILLS
from harness.tasks.recall.shapes import Slice, parsed
from harness.tasks.recall.suites import KINDS, SUITES, Suite


class Slices(Rule):
    """LENGTHxPAIRS, some of them, or null for those of the suite."""

    takes = "Sequence[str] | str | None"

    def __call__(self, key: str, value: Any) -> tuple[Slice, ...]:
        given = () if value is None else (value,) if isinstance(value, str) else tuple(value)
        return tuple(dict.fromkeys(v if isinstance(v, Slice) else parsed(v) for v in given))


class Fill(OneOf):
    """One of FILLS, or null for the suite's."""

    takes = "str | None"

    def __call__(self, key: str, value: Any) -> Any:
        return None if value is None else super().__call__(key, value)


@dataclass(frozen=True, kw_only=True)
class Settings(Ruled):
    data: Annotated[str, OneOf(SUITES)]
    slices: Annotated[tuple[Slice, ...], Slices()]
    samples: Annotated[int, Whole(1)]
    fill: Annotated[str | None, Fill(FILLS)]
    power: Annotated[float, Within(0.0, 1.0)]
    seed: Annotated[int, Whole(0)]

    def __post_init__(self) -> None:
        super().__post_init__()
        suite = self.suite
        if self.fill is not None and suite.kind != "mqar":
            raise UsageError(f"task.fill is for MQAR: leave it out with task.data={self.data}")
        for at in self.asked_slices:
            KINDS[suite.kind].check(at, suite.symbols)

    @property
    def suite(self) -> Suite:
        return SUITES[self.data]

    @property
    def asked_slices(self) -> tuple[Slice, ...]:
        return self.slices or self.suite.asked

    @property
    def generator(self) -> dict[str, Any]:
        """What the generator takes beside the slice and the suite's own."""
        if self.suite.kind != "mqar":
            return {}
        return {"power": self.power} | ({} if self.fill is None else {"fill": self.fill})

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "slices": [at.name for at in self.asked_slices]}

"""The settings of needle in a haystack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from harness import records
from harness.core import UsageError
from harness.records.settings import Data, OneOf, Rule, SomeOf
from harness.tasks.niah.scoring import MATCHES
from harness.tasks.niah.variants import VARIANTS

SHORT = (512, 1024)
"""Lengths of the embedded records that are asked by default."""


class Lengths(Rule):
    """Whole numbers, null for all, or auto: SHORT of the embedded records, and all of a user's."""

    takes = "Sequence[int] | int | str | None"

    def __init__(self) -> None:
        super().__init__(of_records=True)

    def __call__(self, key: str, value: Any) -> tuple[int, ...] | None:
        if value == "auto":
            return None
        given: tuple[Any, ...] = () if value is None else (value,) if isinstance(value, int | str) else tuple(value)
        if any(isinstance(v, bool) or not isinstance(v, int) for v in given):
            raise UsageError(f"{key}={value}: give numbers of tokens, auto, or null for all")
        return given


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), files=("ruler", "local"))]
    variants: Annotated[tuple[str, ...], SomeOf(VARIANTS, of_records=True)]
    lengths: Annotated[tuple[int, ...], Lengths()]
    style: Annotated[str, OneOf(("direct", "reason"))]
    answer_prefix: bool
    match: Annotated[str, OneOf(MATCHES)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lengths is None:
            object.__setattr__(self, "lengths", SHORT if self.data == "embedded" else ())

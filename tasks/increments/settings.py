"""The settings of increments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.records.settings import OneOf, Ruled, Whole


@dataclass(frozen=True, kw_only=True)
class Settings(Ruled):
    data: Annotated[str, OneOf(("increments",))]
    samples: Annotated[int, Whole(1)]
    seed: Annotated[int, Whole(0)]

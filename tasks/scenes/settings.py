"""The settings of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.records.settings import OneOf, Ruled, Whole


@dataclass(frozen=True, kw_only=True)
class Settings(Ruled):
    data: Annotated[str, OneOf(("scenes",))]
    samples: Annotated[int, Whole(1)]
    seed: Annotated[int, Whole(0)]
    pictures: Annotated[int, Whole(1)]

"""The settings of MMNeedle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.records.settings import AnyOf, Data, OneOf, Path
from harness.tasks.mmneedle.scoring import PARSERS


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), files=("official", "local"))]
    captions: Path
    settings: Annotated[tuple[str, ...], AnyOf()]
    parser: Annotated[str, OneOf(PARSERS)]

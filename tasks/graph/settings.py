"""The settings of the graph task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.records.settings import Data, OneOf, SomeOf
from harness.tasks.graph.listing import ARMS
from harness.tasks.graph.planted import VARIANTS


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",))]
    variants: Annotated[tuple[str, ...], SomeOf(VARIANTS, of_records=True)]
    arms: Annotated[tuple[str, ...], SomeOf(ARMS, ordered=True, of_records=True)]
    answer: Annotated[str, OneOf(("likelihood", "text"))]

"""The settings of STARE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.records.settings import Data, OneOf, Revision, SomeOf
from harness.tasks.stare.parsers import PARSERS
from harness.tasks.stare.scoring import CONFIGS

STRATEGIES = {
    "cot": "Please solve the problem step by step.",
    "direct": (
        "Please ensure that your output only contains the final answer without any additional content (such as "
        "intermediate reasoning steps)."
    ),
}


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), hub=("official",))]
    revision: Revision
    sets: Annotated[tuple[str, ...], SomeOf(CONFIGS)]
    strategy: Annotated[str, OneOf(STRATEGIES)]
    parser: Annotated[str, OneOf(PARSERS)]

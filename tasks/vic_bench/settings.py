"""The settings of ViC-Bench."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.core import UsageError
from harness.records.settings import Data, OneOf, SomeOf, Tokens
from harness.tasks.vic_bench.levels import LEVELS
from harness.tasks.vic_bench.worlds import WORLDS

STAGES = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), files=("official", "local"))]
    worlds: Annotated[tuple[str, ...], SomeOf(WORLDS, of_records=True)]
    stages: Annotated[tuple[int, ...], SomeOf(STAGES)]
    level: Annotated[int, OneOf(LEVELS)]
    feedback: Annotated[str, OneOf(("picture", "text", "same", "wrong"))]
    history: Annotated[str, OneOf(("newest", "all"))]
    step_tokens: Tokens

    def __post_init__(self) -> None:
        questions = self.data != "embedded"
        if questions and self.stages is None:
            object.__setattr__(self, "stages", (1,))
        super().__post_init__()
        if questions and self.stages != (1,):
            raise UsageError("official records are questions of stage 1: leave task.stages out, or give [1]")

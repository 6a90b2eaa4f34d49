"""The settings of MM-NIAH."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.records.settings import Data, Revision, SomeOf
from harness.tasks.mm_niah.scoring import SUBTASKS


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), hub=("val", "test"))]
    revision: Revision
    subtasks: Annotated[tuple[str, ...], SomeOf(SUBTASKS)]

"""The settings of MiniWoB++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from harness.records.settings import OneOf, Ruled, SomeOf, Tokens, Whole, Within
from harness.tasks.miniwob.environment import OBSERVATIONS
from harness.tasks.miniwob.lists import LISTS


@dataclass(frozen=True, kw_only=True)
class Settings(Ruled):
    data: Annotated[str, OneOf(LISTS)]
    tasks: Annotated[tuple[str, ...], SomeOf(LISTS["browsergym"])]
    seeds: Annotated[int, Whole()]
    observation: Annotated[tuple[str, ...], SomeOf(OBSERVATIONS)]
    screenshots: Annotated[int, Whole(of_records=True)]
    scale: Annotated[float, Within(0.5, 4)]
    max_steps: Annotated[int, Whole()]
    pages: Annotated[int, Whole(of_records=True)]
    max_new_tokens: Tokens

    def asked(self) -> list[Any]:
        """Prompts showed one screenshot before there was a choice: the fingerprints of then stay."""
        return [*super().asked(), *([f"screenshots {self.screenshots}"] if self.screenshots > 1 else [])]

    def __post_init__(self) -> None:
        if self.tasks is None and self.data in LISTS:
            object.__setattr__(self, "tasks", LISTS[self.data])
        super().__post_init__()
        object.__setattr__(self, "tasks", tuple(sorted(set(self.tasks))))

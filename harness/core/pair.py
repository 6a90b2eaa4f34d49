"""Two prompts that differ in as little as changes the answer, for probes that patch one with the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.types import Request


@dataclass(frozen=True)
class Pair:
    """What a task knows of one sample and its counterpart.

    Args:
        request: The counterpart: as many tokens as the sample's own prompt, most of them the same.
        answer, other: The right answers to the sample and to the counterpart; their first tokens are compared.
        wrong: Words of the prompt that would be wrong answers, where the task has such.
    """

    request: Request
    answer: str
    other: str
    wrong: tuple[str, ...] = ()

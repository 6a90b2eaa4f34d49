"""The two reference models of every task: blind chance, and the task's own key."""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.core.decoding import Decoding
from harness.core.model import Call, Model
from harness.core.task import Task
from harness.core.types import Reply


class _Reference(Model):
    reads_samples = True
    answers_from_key = True
    reads_pictures = False
    reads_series = True

    def __init__(self, name: str, family: str | None, data: str):
        self.name, self.family, self.data = name, family, data

    def bind(self, task: Task) -> None:
        self.task = task

    def fingerprint(self) -> str:
        return f"{type(self).__name__.lower()}-1"

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        return [Reply(self._text(call), finish="given") for call in calls]

    def _text(self, call: Call) -> str:
        raise NotImplementedError


class Chance(_Reference):
    """Draws blindly from the task's answer space, seeded per sample."""

    def _text(self, call: Call) -> str:
        return self.task.chance(call.sample, call.request, random.Random(call.seed))


class Oracle(_Reference):
    """Answers with the task's own key, which marks the ceiling."""

    def _text(self, call: Call) -> str:
        return self.task.oracle(call.sample, call.request)

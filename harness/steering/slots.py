"""A batch whose rows come and go: what methods may ask about prompts that came at different times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.steering.batch import Batch, Edits, Peek, Stream
from harness.steering.inputs import Inputs
from harness.steering.view import View

KINDS = ("image", "question", "user", "prompt")
"""Columns that methods ask for."""


class Slots(Batch):
    """Rows that are decoded together, one slot a sample. All end at the same column, each begins at one of its own.

    Attributes:
        marks: By the names of `KINDS`, which columns of the prompts hold what [rows, columns]; empty without methods.
    """

    def __init__(self, view: View, methods: Sequence[Any], streams: Sequence[Stream], peek: Peek):
        super().__init__(view, methods, (), dict.fromkeys(streams, ()), peek=peek)
        self.marks: dict[str, Tensor] = {}

    def seat(self, blocks: Sequence[Sequence[Inputs]]) -> None:
        """Whose rows the slots hold now: the samples, and the inputs of each stream."""
        self.samples = tuple(blocks[0])
        self.streams = dict(zip(self.streams, blocks[1:], strict=True))

    @property
    def prefill(self) -> bool:
        return False

    def generated(self, method: Edits) -> Tensor:
        assert self.mask is not None
        prompt = torch.nn.functional.pad(self.marks["prompt"], (0, self.total - self.marks["prompt"].shape[1]))
        written = (self.mask.bool() & ~prompt)[self.rows(method.scope)]
        return written[:, self.total - self.columns :].to(self.where)

    def positions(self, method: Edits) -> Tensor:
        assert self.mask is not None
        counted = self.mask[self.rows(method.scope)].to(self.where).long().cumsum(-1) - 1
        return counted[:, self.total - self.columns :]

    def steps(self, passes: Sequence[int]) -> list[slice]:
        return [slice(self.total - n + 1, self.total) for n in passes]

    def _mask(self, name: str) -> Tensor:
        return self.marks[name]

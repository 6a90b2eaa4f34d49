"""Ends rows whose text has reached a stop string, so that no further tokens are computed for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

from harness.steering.batch import Batch

SPARE = 4
"""Tokens more than characters of a stop string that are looked at: some tokens decode to nothing."""


def reach(stops: Sequence[str]) -> int:
    """How many tokens at the end of an answer can hold one of these texts, just written."""
    return max((len(s) for s in stops), default=0) + SPARE


class Ending(StoppingCriteria):
    """`stops`: for each sample, the texts at which it ends. A row that has ended is padded by `generate()`."""

    def __init__(self, batch: Batch, stops: Sequence[Sequence[str]]):
        self.batch, self.stops = batch, [tuple(s for s in each if s) for each in stops]
        self.ended = [0] * len(self.stops)
        """Tokens with which a row had reached a stop string; 0 while it has not."""
        self.reach = reach([s for each in self.stops for s in each])

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        new = input_ids[: len(self.stops), self.batch.length :]
        count, recent = new.shape[1], new[:, -self.reach :].tolist()
        for i, stops in enumerate(self.stops):
            if stops and not self.ended[i]:
                text = self.batch.view.decode(recent[i])
                if any(s in text for s in stops):
                    self.ended[i] = count
        done = torch.tensor([bool(e) for e in self.ended], device=input_ids.device)
        return done.repeat(len(self.batch.blocks))

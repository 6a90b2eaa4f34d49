"""Evenly spaced tokens of the prompt, whatever they are: the baseline that looks at nothing."""

from __future__ import annotations

from torch import Tensor

from harness.methods._shared.eviction import Entries, Eviction
from harness.steering import Batch


class Stride(Eviction):
    """`budget` tokens of the prompt at equal distances, the last one among them, and all that is written."""

    name = "stride"

    def choose(self, l: int, kept: Tensor, entries: Entries, batch: Batch) -> Tensor:
        if not batch.prefill:
            return kept
        position, budget, prompt = entries.position, entries.budget[:, None], entries.prompt[:, None]
        step = (position + 1) * budget // prompt > position * budget // prompt
        return (step | (budget >= prompt))[:, None].expand_as(kept)

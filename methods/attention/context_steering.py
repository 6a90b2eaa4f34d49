"""Steering attention to what the user gave: all else in the prompt counts less (arXiv 2411.02688)."""

from __future__ import annotations

import math

from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Batch, Steering


class ContextSteering(Steering):
    """E <- E + log(alpha) on prompt columns outside the user's text and pictures, in every row."""

    name = "context_steering"
    refills = True
    attention_rows = "all"
    reads_question = True

    def __init__(self, alpha: float, compound: bool):
        """`alpha`: what the weight of a token outside counts for, before the rows are scaled to 1 again; 1 for all.
        `compound`: layer l counts alpha^(l + 1), as the released hook does where layers share one mask."""
        if not 0 < alpha <= 1:
            raise UsageError(f"method.{self.name}.alpha={alpha} must lie in (0, 1]")
        self.alpha, self.compound = alpha, compound
        if alpha < 1:
            self.prefix = "none"  # which tokens of a shared prefix lie outside depends on what follows

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        if self.alpha == 1:
            return None
        inside = batch.user(self) | batch.image(self)
        outside = batch.prompt(self) & ~inside & inside.any(-1, keepdim=True)
        return a + outside[:, None, None].to(a.dtype) * math.log(self.alpha) * (l + 1 if self.compound else 1)

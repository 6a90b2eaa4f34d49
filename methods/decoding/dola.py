"""DoLa: contrast the final layer's distribution with the early layer that differs most from it (arXiv 2309.03883)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.contrast import check_share, plausible
from harness.steering import Batch, Steering, View

OF = 32
"""Layers of the model in whose hidden states a list of candidates is counted; 0 is the embeddings."""


def half(name: str, depth: int) -> range:
    """The authors' candidates in models of 32, 40, 60 and 80 layers: every second hidden state of the lower half (low)
    or the upper one (high), of 20 at most."""
    width = min(depth // 2, 20)
    return range(0, width, 2) if name == "low" else range(depth - width, depth, 2)


class Dola(Steering):
    """Decoding by contrasting layers; each sample chooses its own early layer at each step."""

    name = "dola"
    refills = True

    def __init__(self, candidates: str | list[int], relative_top: float, strength: float, norm: bool):
        """`candidates`: low, high, or indices of hidden states of 32 (0: embeddings). `relative_top`: least share of
        the most likely token's probability. `strength`: 1 as published, 0 for none. `norm`: final norm on early states.
        """
        check_share("method.dola.relative_top", relative_top)
        if isinstance(candidates, str):
            if candidates not in ("low", "high"):
                raise UsageError(f"method.dola.candidates={candidates} is unknown: choose low, high or a list of 0..31")
        elif not candidates or not all(0 <= c < OF for c in candidates):
            raise UsageError(
                f"method.dola.candidates={list(candidates)} must be hidden states 0..31 of 32: the last layer cannot "
                "be contrasted with itself"
            )
        self.candidates = candidates if isinstance(candidates, str) else list(candidates)
        self.relative_top, self.strength, self.norm = relative_top, strength, norm

    def reads(self, view: View) -> Sequence[int]:
        if not self.strength:
            return ()
        of, states = OF, self.candidates
        if isinstance(states, str):
            of = max(OF, view.depth)
            states = half(states, of)
        # Hidden state i is the output of layer i - 1.
        return sorted({min(view.scaled(c, of), view.depth - 1) - 1 for c in states})

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        q = z.log_softmax(-1)
        if not self.strength:
            return plausible(z, z, self.relative_top) if self.relative_top else None
        early = torch.stack(
            [
                batch.view.unembed(batch.early(self, l), self.norm).to(z.device).log_softmax(-1)
                for l in self.reads(batch.view)
            ]
        )
        farthest = divergence(q, early).argmax(0)
        chosen = early[farthest, torch.arange(len(z), device=z.device)]
        return plausible(q - self.strength * chosen, q, self.relative_top)


def divergence(q: Tensor, early: Tensor) -> Tensor:
    """[c, b]: the official "JSD" of log-probabilities q [b, V] and early [c, b, V].

    The code takes the mean over the vocabulary of KL(M || p), the reversed terms, not the textbook's sum of KL(p || M).
    """
    mixture = 0.5 * (q.exp() + early.exp())
    logs = mixture.clamp(min=1e-30).log()
    return 0.5 * ((mixture * (logs - q)).mean(-1) + (mixture * (logs - early)).mean(-1))

"""The logit lens: rank and probability of words by each layer's state (VISTA's three observations, 2502.03628)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.core.readings import RATE, Reading
from harness.steering import Batch, Probe


class LogitLens(Probe):
    """The word that was chosen, and words that are named, in the states of the row that chose it."""

    name = "logit_lens"

    def __init__(self, words: list[str], norm: bool):
        """`words`: what is looked for beside the chosen token: the tokens by which an answer begins with them. `norm`:
        apply the final norm to early states."""
        self.words, self.norm = list(words), norm

    def prepare(self, batch: Batch) -> None:
        super().prepare(batch)
        self._states: dict[int, Tensor] = {}
        self._ids = [list(batch.view.begins(word)) for word in self.words]

    def residual(self, l: int, h: Tensor, batch: Batch) -> None:
        self._states[l] = h[: batch.size, -1]

    def picked(self, tokens: Tensor, batch: Batch) -> None:
        for l, h in self._states.items():
            z = batch.view.unembed(h, self.norm)
            p = z.softmax(-1)
            own = tokens.to(z.device)[:, None]
            looked = [(z.gather(-1, own), p.gather(-1, own))]
            looked += [(z[:, ids].amax(-1, True), p[:, ids].sum(-1, True)) for ids in self._ids if ids]
            rank = torch.cat([(z > best).sum(-1, True) + 1 for best, _ in looked], -1)
            self.keep("rank", l, rank, batch)
            self.keep("probability", l, torch.cat([p for _, p in looked], -1), batch)
        self._states = {}

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        words = [w for w, ids in zip(self.words, self._ids, strict=True) if ids]
        found: dict[str, list[Reading | None]] = {}
        for i, count in enumerate(passes):
            rank, p = self.kept("rank", i, count), self.kept("probability", i, count)  # [layers, steps, words]
            one = {
                "settles": Reading(settles(rank[..., 0]).mean(), within=RATE),
                "peak": Reading((p[..., 0].argmax(0) + 1).mean() / len(p), within=RATE),
                "probability": Reading(p[-1, :, 0].mean(), within=RATE),
                "chosen_layers": Reading(p[..., 0].mean(1), ("layer",), within=RATE),
                "chosen_rank": Reading(rank[..., 0], ("layer", "step")),
                "chosen_probability": Reading(p[..., 0], ("layer", "step")),
            }
            for n, word in enumerate(words, 1):
                one[f"{word}_layers"] = Reading(p[:, 0, n], ("layer",), within=RATE)
                one[f"{word}_rank"] = Reading(rank[..., n], ("layer", "step"))
            for name, reading in one.items():
                found.setdefault(name, []).append(reading)
        return found


def settles(rank: np.ndarray) -> np.ndarray:
    """The depth [steps], in 0..1, from which on the token of rank [layers, steps] stays first; 1 beyond the last."""
    later = np.cumprod((rank == 1)[::-1], 0).sum(0)
    return 1 - later / len(rank)

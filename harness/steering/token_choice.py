"""The step boundary of the stock `generate()`: streams are combined and tokens picked inside a logits processor."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from harness.core.decoding import Decoding
from harness.steering.batch import Batch
from harness.steering.finite import finite, require_sound
from harness.steering.guard import broken
from harness.steering.returned import returned

EXCLUDED = -1000.0
"""Log-probability of a token that a method excludes, so that continuations with fewer of them stay ahead (DoLa's
official `relative_top_value`)."""


class Select(LogitsProcessor):
    """Picks one token per sample and gives it to all rows of the sample.

    Sampling uses one generator per sample, on the CPU, so that a sample draws the same numbers alone, in any batch
    and on any device.
    """

    def __init__(
        self,
        batch: Batch,
        decoding: Decoding,
        seeds: Sequence[int],
        keep: bool,
        forced: Sequence[Sequence[int]] | None = None,
        among: Sequence[Collection[int]] | None = None,
    ):
        self.batch, self.decoding = batch, decoding
        batch.sampled = decoding.sampled
        self.generators = [torch.Generator().manual_seed(_fold(s)) for s in seeds] if decoding.sampled else []
        self.kept: list[Tensor] | None = [] if keep else None
        self.forced = [torch.tensor(f) for f in forced] if forced else []
        """Tokens to pick instead of choosing, one row per sample."""
        self.among = [torch.tensor(list(a)) for a in among] if among else []
        """Tokens to choose from, one row per sample."""
        self.sound = torch.ones(0, dtype=torch.bool)
        """Which rows' logits were numbers at the last step, and `steps`: at each step of `generate()`."""
        self.steps: list[Tensor] = []
        self.logp = [0.0] * len(self.forced)
        self.greedy = [True] * len(self.forced)
        """For the forced tokens so far: their log-probability, and whether each was the best."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self.batch.beams > 1:
            z = self._edited(scores)
            self.steps.append(finite(z))
            return z if z is scores else z.log_softmax(-1)
        every = self.choose(scores).repeat(len(self.batch.blocks))[:, None]
        self.steps.append(self.sound)
        return torch.full_like(scores, -torch.inf).scatter_(1, every, 0.0)

    def choose(self, scores: Tensor) -> Tensor:
        """One token for each sample [b], from the raw logits of all rows [rows, V]."""
        z = self._edited(scores)
        self.sound = finite(z)
        token = self._token(z)
        for method in self.batch.methods:
            if method.has("picked"):  # a method written before this point may keep something under the name
                method.picked(token, self.batch)
        return token

    def _edited(self, scores: Tensor) -> Tensor:
        batch = self.batch
        if len(scores) != batch.size * len(batch.blocks):
            raise broken(f"{len(scores)} rows of logits came for {batch.size * len(batch.blocks)} rows of the batch")
        batch._raw = scores
        z = scores[: batch.size]
        for method in batch.methods:
            if method.has("logits") and (new := method.logits(z, batch)) is not None:
                z = returned(method, "logits", new, z)
        batch.step += 1
        if self.kept is not None:
            self.kept.append(z)
        return z

    def _token(self, z: Tensor) -> Tensor:
        if self.forced:
            return self._follow(z)
        if self.among:
            return self._pick(z)
        return self._draw(z) if self.generators else z.argmax(-1)

    def _pick(self, z: Tensor) -> Tensor:
        """Of the allowed tokens the best one. Those that methods exclude are equal: the model's own logits tell which
        of them it is."""
        require_sound(self.sound, self.batch.view.dtype, self.batch.methods)
        chosen = []
        for row, plain, tokens in zip(z, self.batch._raw, self.among, strict=False):  # pyright: ignore
            tokens = tokens.to(z.device)
            best = tokens[row[tokens] == row[tokens].max()]
            chosen.append(best[plain[best].argmax()])
        return torch.stack(chosen)

    def _follow(self, z: Tensor) -> Tensor:
        """The forced tokens of this step, their likelihood noted; past the end of a row, whatever comes."""
        token, logp = z.argmax(-1), z.float().log_softmax(-1)
        t = self.batch.step - 1
        for i, forced in enumerate(self.forced):
            if t < len(forced):
                self.logp[i] += max(EXCLUDED, float(logp[i, forced[t]]))
                self.greedy[i] &= bool(token[i] == forced[t])
                token[i] = forced[t]
        return token

    def _draw(self, z: Tensor) -> Tensor:
        """Inverse-CDF sampling in float64 from the warped distribution, [b]."""
        z = z.cpu() if z.device.type == "mps" else z
        p = probabilities(z.double(), self.decoding)
        u = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in self.generators]).to(p.device)
        below = p.cumsum(-1)
        token = torch.searchsorted(below, (u * below[:, -1])[:, None], right=True)[:, 0]
        return token.clamp(max=z.shape[-1] - 1).to(self.batch._raw.device)  # pyright: ignore


def _fold(seed: int) -> int:
    """All of a long seed in 32 bits: torch's CPU generator reads the lower 32 only."""
    return (seed ^ (seed >> 32)) & 0xFFFFFFFF


def probabilities(z: Tensor, decoding: Decoding) -> Tensor:
    """The distribution [b, V] after temperature, top-k and top-p, in this order (that of transformers)."""
    z = z / decoding.temperature
    if 0 < decoding.top_k < z.shape[-1]:
        z = z.masked_fill(z < z.topk(decoding.top_k).values[:, -1:], -torch.inf)
    p = z.softmax(-1)
    if decoding.top_p < 1:
        ordered, index = p.sort(descending=True, stable=True)
        beyond = ordered.cumsum(-1) - ordered >= decoding.top_p
        p = p.masked_fill(beyond.scatter(1, index, beyond), 0.0)
    return p

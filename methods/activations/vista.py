"""VISTA: steer along what the picture adds to the hidden states, and blend in early-exit logits (arXiv 2502.03628)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Batch, Steering, View

DEPTH = 32
"""Decoder layers of the models in the paper; the window scales with depth."""


class Vista(Steering):
    """Visual steering vector (VSV) and self-logits augmentation (SLA)."""

    name = "vista"
    refills = ("vector",)

    def __init__(self, lam: float, gamma: float, window: int, form: str, norm: bool, pca: bool = False):
        """`lam`: strength of the steering vector, `gamma` in [0, 1]: share of the early-exit logits.

        `window`: how many layers before the very last are blended, of 32. `form`: code (unit vector on the MLP
        output) or paper (raw vector on the residual stream). `norm`: apply the final norm to early states. `pca`: add
        what the released PCA of one sample adds to the vector, 1.0 at layer 0, coordinate 0.
        """
        if form not in ("code", "paper"):
            raise UsageError(f"method.vista.form={form} is unknown: choose code or paper")
        if not 0 <= gamma <= 1:
            raise UsageError(f"method.vista.gamma={gamma} must lie in [0, 1]")
        if window < 1:
            raise UsageError(f"method.vista.window={window} must be at least 1")
        if pca and form != "code":
            raise UsageError("method.vista.pca=true belongs to the released code: add method.vista.form=code")
        self.lam, self.gamma, self.window, self.form, self.norm, self.pca = lam, gamma, window, form, norm, pca
        self.prefix = "none" if lam else "plain"  # the vector depends on the question

    def reads(self, view: View) -> Sequence[int]:
        if not self.gamma:
            return ()
        last = view.depth - 1
        count = max(1, round(self.window * view.depth / DEPTH))
        return range(max(0, last - count), last) or range(1)

    def prepare(self, batch: Batch) -> None:
        if not self.lam:
            return
        self.vector: Tensor | None = None
        seen = [i for i, s in enumerate(batch.samples) if s.sees]
        if not seen:
            return
        samples = [batch.samples[i] for i in seen]
        with_image, without = batch.peek(samples), batch.peek([batch.view.without_image(s) for s in samples])
        vector = with_image.new_zeros(len(batch.samples), *with_image.shape[1:], dtype=torch.float32)
        vector[seen] = with_image.float() - without.float()
        if self.pca:
            vector[seen, 0, 0] += 1.0
        self.vector = batch.tile(self, vector)

    def mlp(self, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        if self.form == "code" and self.lam and self.vector is not None:
            return steer(y, self.vector[:, l].to(y.device), self.lam)
        return None

    def residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        if self.form == "paper" and self.lam and self.vector is not None:
            return shift(h, self.vector[:, l].to(h.device), self.lam)
        return None

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        if not self.gamma or not any(s.sees for s in batch.samples):
            return None
        lens = [batch.view.unembed(batch.early(self, l), self.norm) for l in self.reads(batch.view)]
        blended = (1 - self.gamma) * z + self.gamma * torch.stack(lens).mean(0).to(z.device)
        return torch.where(batch.tile(self, batch.sees)[:, None], blended, z)


def steer(x: Tensor, v: Tensor, lam: float) -> Tensor:
    """The released code: turn x [b, t, d] towards v [b, d], up to twice as far where they point apart; ||x|| is kept.

    A zero v changes nothing.
    """
    v, wide = v[:, None].float(), x.float()
    apart = 1 + F.cosine_similarity(wide, -v, dim=-1).clamp(min=0)[..., None]
    turned = F.normalize(wide, dim=-1) + lam * apart * F.normalize(v, dim=-1)
    out = F.normalize(turned, dim=-1) * wide.norm(dim=-1, keepdim=True)
    return torch.where((v != 0).any(-1, keepdim=True), out.to(x.dtype), x)


def shift(h: Tensor, v: Tensor, lam: float) -> Tensor:
    """The paper's equations: h + lam v, scaled back to ||h||. A zero v changes nothing."""
    v, wide = v[:, None].float(), h.float()
    out = F.normalize(wide + lam * v, dim=-1) * wide.norm(dim=-1, keepdim=True)
    return torch.where((v != 0).any(-1, keepdim=True), out.to(h.dtype), h)

"""SID: contrast with a stream that sees only the image tokens it attends to least (arXiv 2408.02032)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.contrast import check_share, plausible
from harness.steering import Batch, Inputs, Steering, View


class Sid(Steering):
    """Self-introspective decoding, with context- and text-aware token selection (CT2S) at each step."""

    name = "sid"
    refills = True
    # No shared prefix: what the contrast stream may see in its prompt depends on the question.
    scope = "all"
    attention_rows = "all"

    def __init__(self, alpha: float, beta: float, keep: int, of: int, layer: int, form: str = "paper"):
        """`alpha`: strength. `beta`: least share of the most likely token's probability. `keep`: image tokens that
        the contrast stream sees, of the `of` that the paper's model has; other numbers scale. `layer`: the first one
        that is masked, in absolute numbers. `form`: paper, or code, where `beta` counts in sampling only.
        """
        if form not in ("code", "paper"):
            raise UsageError(f"method.sid.form={form} is unknown: choose code or paper")
        check_share("method.sid.beta", beta)
        if not 0 < keep <= of:
            raise UsageError(f"method.sid.keep={keep} must lie in 1..{of} (method.sid.of)")
        if layer < 1:
            raise UsageError(f"method.sid.layer={layer} must be at least 1: the choice reads the layer below")
        self.alpha, self.beta, self.share, self.layer, self.form = alpha, beta, keep / of, layer, form
        self.prefix = "none" if alpha else "plain"
        self.hidden: Tensor | None = None

    @property
    def contrasts(self) -> bool:
        return bool(self.alpha)

    def contrast(self, sample: Inputs, view: View) -> Inputs | None:
        return sample if sample.sees else None

    def layers(self, view: View) -> Sequence[int]:
        return range(min(self.layer, view.depth - 1) - 1, view.depth) if self.alpha else ()

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        """Layer K - 1: keep the image columns that the contrast stream's last row attends to least; hide the others."""
        own = batch.own(self)
        if own is not None and l == self.layers(batch.view)[0]:
            image = batch.image(self)[own]
            self.hidden = hidden_columns(w[own, :, -1].float().mean(1), image, self.share)
        return None

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        own = batch.own(self)
        if own is None or l == self.layers(batch.view)[0] or self.hidden is None:
            return None
        out = a.clone()
        out[own] = a[own].masked_fill(self.hidden[:, None, None], torch.finfo(a.dtype).min)
        return out

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        other = batch.stream(self)
        if other is None:
            return plausible(z, z, self.beta) if self.beta and not self.alpha else None
        contrast = (1 + self.alpha) * z - self.alpha * other
        return contrast if self.form == "code" and not batch.sampled else plausible(contrast, z, self.beta)


def hidden_columns(attention: Tensor, image: Tensor, share: float) -> Tensor:
    """Image columns [b, k] that are not among the least attended `share` (at least one is kept)."""
    count = (image.sum(-1, keepdim=True) * share).round().clamp(min=1)
    rank = attention.masked_fill(~image, torch.inf).argsort(dim=-1, stable=True).argsort(dim=-1, stable=True)
    return image & (rank >= count)

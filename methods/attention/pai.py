"""PAI: pay more attention to the picture, and push away from what is said without it (arXiv 2407.21771)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.contrast import check_share, plausible
from harness.steering import Batch, Inputs, Steering, View

FORMS = ("paper", "code")


class Pai(Steering):
    """E <- E + alpha |E| on image columns of the last row; logits gamma l - (gamma - 1) u."""

    name = "pai"
    refills = True

    def __init__(self, alpha: float, gamma: float, start: int, end: int, beta: float, form: str = "paper"):
        """`alpha`: amplification of image scores. `gamma`: 1 for no contrast with the prompt without picture. `start`,
        `end`: layers [start, end) of 32. `beta`: least share of the most likely token's probability. `form`: paper
        (every pass is edited) or code (with a contrast, the pass over the prompt is not, as the scripts leave it).
        """
        check_share(f"method.{self.name}.beta", beta)
        if not 0 <= start < end <= 32:
            named = f"method.{self.name}.start={start} and method.{self.name}.end={end}"
            raise UsageError(f"{named} must be layers of 32, start below end")
        if form not in FORMS:
            raise UsageError(f"method.{self.name}.form={form} is unknown: choose paper or code")
        self.alpha, self.gamma, self.start, self.end, self.beta, self.form = alpha, gamma, start, end, beta, form

    def layers(self, view: View) -> Sequence[int]:
        return range(view.scaled(self.start), view.scaled(self.end))

    @property
    def contrasts(self) -> bool:
        return self.gamma != 1

    def contrast(self, sample: Inputs, view: View) -> Inputs | None:
        return view.without_image(sample) if sample.sees else None

    def edits(self, batch: Batch) -> bool:
        """Whether this pass is edited. The scripts set `use_cfg` before the first pass, and clear it after it."""
        return not (self.form == "code" and self.contrasts and batch.prefill)

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        if not self.alpha or not self.edits(batch):
            return None
        return torch.where(batch.image(self)[:, None, None], a + self.alpha * a.abs(), a)

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        bare = batch.stream(self)
        if bare is None:
            return None
        l, u = z.log_softmax(-1), bare.log_softmax(-1)
        return plausible(self.gamma * (l - u) + u, l, self.beta)

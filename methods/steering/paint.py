"""PAINT: raise attention to two informative kinds of patches, not to all as PAI does (arXiv 2501.12206)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Run, View
from harness.steering.vision import Tower
from methods.steering.pai import Pai


class Paint(Pai):
    """E <- E + alpha |E| on local tokens (objects), + beta |E| on summary tokens (registers); else PAI."""

    name = "paint"
    conflicts = ("flowcut", "pai")

    def __init__(self, alpha: float, beta: float, gamma: float, local: float, start: int, end: int, cut: float):
        """`alpha`, `beta`: amplification of scores of local and summary tokens. `gamma`: PAI's contrast, 1 for none.
        `local`: share of the patches that are local. `start`, `end`: layers of 32. `cut`: PAI's plausibility.
        """
        if not 0 <= local <= 1:
            raise UsageError(f"method.paint.local={local} must lie in [0, 1]")
        super().__init__(alpha, gamma, start, end, cut)
        self.summary, self.local = beta, local
        self._known: dict[int, tuple[Tensor, Tensor]] = {}
        self._marks: Tensor | None = None

    def layers(self, view: View) -> Sequence[int]:
        if self.alpha or self.summary:
            Tower(view, self.name) if view.image_token_id is not None else None
        return super().layers(view)

    def prepare(self, run: Run) -> None:
        """Strengths per patch [n, N], one look at each picture."""
        self._marks = None
        if not (self.alpha or self.summary) or not any(s.sees for s in run.samples):
            return
        tower, known = Tower(run.view, self.name), {}
        for sample in run.samples:
            if sample.sees and id(sample.tensors["pixel_values"]) not in known:
                pixels = sample.tensors["pixel_values"].to(run.view.device, run.view.dtype)
                first, late = tower.attentions(pixels, (0, -2))
                known[id(sample.tensors["pixel_values"])] = select(first.sum(1)[0], late.sum(1)[0], self.local)
        size = next(iter(known.values()))[0].shape[0]
        none = torch.zeros(size, dtype=torch.bool, device=run.view.device)
        rows = [known.get(id(s.tensors.get("pixel_values")), (none, none)) for s in run.samples]
        marks = torch.stack([a * self.alpha + b * self.summary for a, b in rows])
        self._marks = run.tile(self, marks)

    def attention_logits(self, l: int, a: Tensor, run: Run) -> Tensor | None:
        if self._marks is None:
            return None
        image = run.image(self)
        patch = (image.long().cumsum(-1) - 1).clamp(min=0, max=self._marks.shape[1] - 1)
        strength = self._marks.to(a.device).gather(1, patch) * image
        return a + strength[:, None, None].to(a.dtype) * a.abs()


def select(first: Tensor, late: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Masks [N] of local and summary patches, from the class token's attention in the first and the penultimate layer.

    Local: the most attended `share` of the first. Summary: outliers of the second, above Q3 + 1.5 (Q3 - Q1); these win.
    """
    local = torch.zeros_like(first, dtype=torch.bool)
    local[first.topk(round(share * len(first))).indices] = True
    low, high = late.float().quantile(torch.tensor([0.25, 0.75], device=late.device))
    summary = late.float() > high + 1.5 * (high - low)
    return local & ~summary, summary

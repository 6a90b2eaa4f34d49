"""PAINT: raise attention to two informative kinds of patches, not to all as PAI does (arXiv 2501.12206)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.methods._shared.contrast import check_share
from harness.methods._shared.patches import right_aligned, spread
from harness.methods.attention.pai import Pai
from harness.steering import Batch, View
from harness.steering.vision import Tower


class Paint(Pai):
    """E <- E + alpha |E| on local tokens (objects), + beta |E| on summary tokens (registers); else PAI."""

    name = "paint"
    refills = ("_marks",)
    conflicts = ("flowcut", "pai")

    def __init__(
        self,
        alpha: float,
        beta: float,
        gamma: float,
        local: float,
        start: int,
        end: int,
        cut: float,
        form: str = "paper",
    ):
        """`alpha`, `beta`: amplification of scores of local and summary tokens. `gamma`: PAI's contrast, 1 for none.
        `local`: share of the patches that are local. `start`, `end`: layers of 32. `cut`: PAI's plausibility.
        `form`: PAI's, paper or code.
        """
        check_share("method.paint.local", local)
        check_share("method.paint.cut", cut)
        super().__init__(alpha, gamma, start, end, cut, form)
        self.summary, self.local = beta, local
        self._marks: Tensor | None = None

    def layers(self, view: View) -> Sequence[int]:
        if (self.alpha or self.summary) and view.image_token_id is not None:
            Tower(view, self.name)  # refuses other models
        return super().layers(view)

    def prepare(self, batch: Batch) -> None:
        """Strengths per patch [n, N], one look at each picture."""
        self._marks = None
        if not (self.alpha or self.summary) or not any(s.sees for s in batch.samples):
            return
        tower, known, rows = Tower(batch.view, self.name), dict[int, Tensor](), list[Tensor]()
        for sample in batch.samples:
            pixels = sample.tensors.get("pixel_values")
            if pixels is not None and id(pixels) not in known:  # questions about one picture come in a row
                known[id(pixels)] = self._strengths(pixels.to(batch.view.device, batch.view.dtype), tower)
            rows.append(torch.zeros(0, device=batch.view.device) if pixels is None else known[id(pixels)])
        self._marks = batch.tile(self, right_aligned(rows))

    def _strengths(self, pixels: Tensor, tower: Tower) -> Tensor:
        """Per patch of the sample's pictures [P, 3, H, W], one picture after the other."""
        first, late = (a.sum(1) for a in tower.attentions(pixels, (0, -2)))
        each = (select(f, l, self.local) for f, l in zip(first, late, strict=True))
        return torch.cat([local * self.alpha + summary * self.summary for local, summary in each])

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        if self._marks is None or not self.edits(batch):
            return None
        strength = spread(self._marks.to(a.device), batch.image(self), 0.0)
        return a + strength[:, None, None].to(a.dtype) * a.abs()


def select(first: Tensor, late: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Masks [N] of local and summary patches, from the class token's attention in the first and the penultimate layer.

    Local: the most attended `share` of the first. Summary: outliers of the second, above Q3 + 1.5 (Q3 - Q1); these win.
    """
    local = torch.zeros_like(first, dtype=torch.bool)
    local[first.topk(int(share * len(first))).indices] = True
    low, high = late.float().quantile(torch.tensor([0.25, 0.75], device=late.device))
    summary = late.float() > high + 1.5 * (high - low)
    return local & ~summary, summary

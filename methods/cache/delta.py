"""DELTA: a few layers look at everything and choose the pages that the layers after them read (arXiv 2510.09883)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.eviction import CACHES, Entries, Share, best, check_budget, entries
from harness.steering import Batch, Steering, View

DEPTH = 28
"""Decoder layers of the models that the released list of layers is for."""


class Delta(Steering):
    """Acts on decode steps only; nothing leaves the cache."""

    name = "delta"
    beams = False
    refills = by_column = ("_share",)
    conflicts = tuple(n for n in CACHES if n != "delta")

    def __init__(self, budget: float | None, page: int, recent: int, layers: list[int], ratio: float):
        """`budget`: tokens that a sparse layer reads, a share of the prompt up to 1 or a number; null for all. `page`:
        tokens of a page. `recent`: last pages, always among them. `layers`: of 28, those that read everything; one
        whose next is not listed selects. `ratio`: pages over chosen pages from which layers are sparse.
        """
        check_budget(f"method.{self.name}.budget", budget)
        if page < 1 or recent < 1:
            raise UsageError(f"method.{self.name} needs page and recent of at least 1")
        if not layers or min(layers) != 0 or max(layers) >= DEPTH:
            raise UsageError(
                f"method.{self.name}.layers={layers} must be layers of {DEPTH}, including 0: a sparse layer reads "
                "what an earlier one selects"
            )
        self.budget, self.page, self.recent, self.full, self.ratio = budget, page, recent, layers, ratio
        self._pages = torch.empty(0)
        self._share = Share()

    def roles(self, view: View) -> tuple[set[int], set[int]]:
        """Layers that read everything, and those of them that select for the layers after them."""
        full = {round(l * view.depth / DEPTH) for l in self.full}
        full = {l for l in full if l < view.depth}
        return full, {l for l in full if l + 1 < view.depth and l + 1 not in full}

    def prepare(self, batch: Batch) -> None:
        self._share = Share()

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        present = batch.present(self)[:, None]
        everything = batch.prefill or l in self.roles(batch.view)[0]
        seen = present if everything else self._pages[..., -a.shape[-1] :]
        self._share.note(batch, seen, present)
        return None if seen[present].all() else a.masked_fill(~seen[:, None], torch.finfo(a.dtype).min)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        if not batch.prefill and l in self.roles(batch.view)[1]:
            w = F.pad(w, (batch.total - w.shape[-1], 0))  # a sliding window keeps the last columns
            self._pages = self.select(w[:, :, -1].float().amax(1), entries(self, batch, self.budget))
        return None

    def select(self, score: Tensor, known: Entries) -> Tensor:
        """Columns of the chosen pages, bool [n, 1, k], by the tokens' scores [n, k]: the largest of any query head."""
        number = (known.position.clamp(min=0) // self.page).long()
        total = int(number.max()) + 1
        pages = (known.length + self.page - 1) // self.page
        count = (known.budget // self.page).clamp(min=1)
        u = torch.arange(total, device=score.device)
        mass = score.new_zeros(len(score), total).scatter_add(1, number, score * known.present) - 1e-7 * u
        recent = u >= (pages - count.clamp(max=self.recent))[:, None]
        mass = mass.masked_fill(recent, torch.inf)
        chosen = best(mass[:, None], (u < pages[:, None])[:, None], count)[:, 0]
        chosen |= (pages <= self.ratio * torch.minimum(pages, count))[:, None]
        return (chosen.gather(1, number) & known.present)[:, None]

    def measured(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[float]]:
        return {"kept_share": self._share.means(batch, passes)}

"""What tokens know of themselves alone, put in the place of their states, and attention closed but for a few layers
(CAMA and ABP of All for One, arXiv 2509.09650)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from harness.methods._shared.draws import drawing
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.forward import forward, undisturbed


class Means(Steering):
    """Keeps, for each layer and position, the mean state over a bank of prompts that have the same token there."""

    name = "wait_peek"
    prefix = "none"

    def __init__(self, places: Sequence[int]):
        """`places`: varied positions. Rows of the bank: one block without a fixed place, then one for each place."""
        self.places = places
        self.kept: dict[int, Tensor] = {}

    def residual(self, l: int, h: Tensor, batch: Batch) -> None:
        if batch.prefill:
            of = h.float().unflatten(0, (len(self.places) + 1, -1)).mean(1)  # [blocks, t, d]
            self.kept[l] = of[0].clone()
            for block, place in enumerate(self.places, 1):
                self.kept[l][place] = of[block, place]


class Waiting(Steering):
    """Each row of a batch waits some layers and then peeks in a window of others, or sees everything after waiting."""

    name = "wait_peek"
    prefix = "none"
    attention_rows = "all"

    def __init__(self, means: dict[int, Tensor], waits: Sequence[int], peeks: Sequence[int], width: int):
        """`waits`: layers of each row after which its states become `means`; 0 for none. `peeks`: the first layer in
        which its last token sees all others, all else being closed after the wait; -1: everything stays open."""
        self.means, self.width = means, width
        self.waits, self.peeks = torch.tensor(waits), torch.tensor(peeks)

    def residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        rows = (self.waits == l + 1).to(h.device)
        if not batch.prefill or not rows.any():
            return None
        h = h.clone()
        h[rows, 1:] = self.means[l][1:].to(h)  # the first token is the sink that all attend to
        return h

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        closed = ((self.peeks >= 0) & (self.waits <= l)).to(a.device)
        if not batch.prefill or not closed.any():
            return None
        seen = torch.eye(a.shape[-1], dtype=torch.bool, device=a.device).repeat(len(a), 1, 1)
        seen[:, :, 0] = True
        seen[((self.peeks <= l) & (l < self.peeks + self.width)).to(a.device), -1] = True
        return a.masked_fill((closed[:, None, None] & ~seen)[:, None], torch.finfo(a.dtype).min)


def means(view: View, sample: Inputs, places: Sequence[int], values: Sequence[int], bank: int) -> dict[int, Tensor]:
    """State [t, d] of each layer: the mean over prompts with the same token at that position, and tokens of `values`
    drawn at the other `places`; the same draws for the same prompt."""
    ids = sample.tensors["input_ids"][0]
    generator = drawing(ids)
    base = ids.repeat(bank, 1)
    drawn = torch.randint(len(values), (bank, len(places)), generator=generator)
    base[:, list(places)] = torch.tensor(list(values))[drawn]
    blocks = [base]
    for place in places:
        blocks.append(base.clone())
        blocks[-1][:, place] = ids[place]
    keeper = Means(places)
    with undisturbed(view):
        forward(Batch(view, [keeper], [_of(sample, row) for row in torch.cat(blocks)]))
    return keeper.kept


def answers(view: View, sample: Inputs, method: Waiting) -> Tensor:
    """The first token of each row under the method [rows]."""
    ids = sample.tensors["input_ids"][0]
    with undisturbed(view):
        return forward(Batch(view, [method], [_of(sample, ids)] * len(method.waits)))[:, 0].cpu()


def _of(sample: Inputs, ids: Tensor) -> Inputs:
    return replace(sample.change(input_ids=ids[None]), shared=None)

"""Causal tracing: passes over a spoiled prompt with parts of one layer as in a clean one (FCCT, 2511.05923)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.draws import drawing
from harness.methods._shared.fixations import cells
from harness.steering import Batch, Inputs, Probe, Steering, View
from harness.steering.attention_maps import grid
from harness.steering.forward import encode, peek, read, sharing, undisturbed

PARTS = ("attention", "mlp", "hidden")
"""Output of the attention branch, of the MLP branch, and of the whole layer. A patch may also be of one `head`."""
KINDS = (
    *("early visual", "object visual", "late visual", "visual"),
    *("early text", "object text", "late text", "text"),
    "last",
)
"""Of tokens, in the order of the prompt; `visual` and `text` where it is not known which of them are the object's."""
MARGIN = 0.1
"""A traced question must lose this much of its probability under noise: below it the recovery rate explodes."""
TOKENS = 6_000
"""Of one pass."""


@dataclass(frozen=True)
class Patch:
    """What one row of a traced batch gets from the clean row: a part of a layer at some positions."""

    part: str
    layer: int
    at: Sequence[int]
    """Positions counted from the end of the prompt: -1 is the last."""
    head: int = 0
    """Of the part `head`: which one."""


class Restored(Steering):
    """Row 0 is the clean prompt; each other row has its patch, or none."""

    name = "trace"

    def __init__(self, patches: Sequence[Patch | None]):
        self.patches = patches

    def heads(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        some = [(i, p) for i, p in enumerate(self.patches) if p and (p.part, p.layer) == ("head", l)]
        if not some:
            return None
        x = x.clone()
        for row, p in some:
            x[row, list(p.at), p.head] = x[0, list(p.at), p.head]
        return x

    def attention_output(self, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        return self._restored("attention", l, y)

    def mlp(self, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        return self._restored("mlp", l, y)

    def residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        return self._restored("hidden", l, h)

    def _restored(self, part: str, l: int, x: Tensor) -> Tensor | None:
        rows = [(i, p.at) for i, p in enumerate(self.patches) if p and (p.part, p.layer) == (part, l)]
        if not rows:
            return None
        x = x.clone()
        for row, at in rows:
            x[row, list(at)] = x[0, list(at)]
        return x


def beside(batch: Batch) -> list[Steering]:
    """The methods under which prompts of a batch are read again: those that edit the model, without those that contrast
    (they act on the logits, after the model) and without probes."""
    return [m for m in batch.methods if not isinstance(m, Probe) and not m.contrasts and m.batch]


def traced(
    view: View, methods: Sequence[Steering], clean: Inputs, spoiled: Inputs, patches: Sequence[Patch | None]
) -> Tensor:
    """Next-token logits [1 + len(patches), V] of the clean prompt and of the spoiled one under each patch (None: as it
    is). Both have the same tokens or differ in them, but are equally long."""
    step = max(1, TOKENS // clean.length - 1)
    found: list[Tensor] = []
    with undisturbed(view):
        for start in range(0, len(patches), step):
            some = [None, *patches[start : start + step]]
            cut = min((p.at[0] + clean.length for p in some if p), default=clean.length - 1)
            z = played(view, [*methods, Restored(some)], [clean, *[spoiled] * (len(some) - 1)], cut)
            found.append(z[1:] if found else z)
    return torch.cat(found)


def played(view: View, methods: Sequence[Steering], rows: Sequence[Inputs], cut: int) -> Tensor:
    """Next-token logits [rows, V] of equally long prompts in one batch. `cut`: where the methods begin to act on rows
    apart; what lies before it is read once for equal rows."""
    rows = _shared(view, rows, methods, cut)
    batch = Batch(view, methods, rows, peek=peek)
    prefix = encode(batch) if rows[0].shared else None
    for method in methods:
        method.prepare(batch)
    return read(batch, 1, prefix)[:, -1].float().cpu()


def _shared(view: View, rows: Sequence[Inputs], methods: Sequence[Steering], cut: int) -> list[Inputs]:
    """The rows with what lies before every patch marked as shared, where it may be encoded once."""
    pictures = [] if view.image_token_id is None else (rows[0].tensors["input_ids"][0] == view.image_token_id).nonzero()
    least = int(pictures[-1]) + 1 if len(pictures) else 1
    marked = [replace(r, shared=(f"{r is rows[0]}", cut)) for r in rows]
    may = least <= cut and len(rows) > 2 and all(m.prefix != "none" for m in methods)
    if may and all(sharing(view, [[r] for r in (*marked, *marked)], 1)):
        return marked
    return [replace(r, shared=None) for r in rows]


def noised(sample: Inputs, noise: float) -> Inputs:
    """Its picture under Gaussian noise: the same draw for the same prompt."""
    pixels, generator = sample.tensors["pixel_values"], drawing(sample.tensors["input_ids"][0])
    return sample.change(pixel_values=pixels + noise * torch.randn(pixels.shape, generator=generator).to(pixels))


def kinds(view: View, sample: Inputs) -> dict[str, list[int]]:
    """Positions of each kind of token, counted from the end; kinds without tokens are left out.

    The object's visual tokens are those that the task's boxes cover, early ones lie before the first of them, late ones
    are all others after it; text likewise around the words that name the object. Where there is no such box or word,
    the kinds are `visual` and `text`. Text before the picture, which knows nothing of it, is of no kind.
    """
    ids = sample.tensors["input_ids"][0]
    visual = (ids == view.image_token_id).nonzero()[:, 0].tolist()
    text = list(range(visual[-1] + 1, len(ids) - 1))
    found = _around("visual", visual, _seen(view, sample, visual))
    found |= _around("text", text, _named(view, sample, text))
    found["last"] = [len(ids) - 1]
    return {kind: [n - len(ids) for n in at] for kind, at in found.items() if at}


def _around(name: str, every: Sequence[int], own: set[int]) -> dict[str, list[int]]:
    if not own:
        return {name: list(every)}
    first = min(own)
    return {
        f"early {name}": [n for n in every if n < first],
        f"object {name}": [n for n in every if n in own],
        f"late {name}": [n for n in every if n > first and n not in own],
    }


def _seen(view: View, sample: Inputs, visual: Sequence[int]) -> set[int]:
    """Image tokens in the task's boxes, where they lie on one grid."""
    boxes = [m.box for m in sample.marks if m.box and m.role == "target" and not m.picture]
    if not boxes:
        return set()
    try:
        shape = grid(sample, len(visual), view)
    except UsageError:
        return set()
    return {visual[n] for n in np.flatnonzero(cells(boxes, shape, view.covered(sample))).tolist()}


def _named(view: View, sample: Inputs, text: Sequence[int]) -> set[int]:
    """Tokens of the last place where the name of a target stands."""
    ids = sample.tensors["input_ids"][0].tolist()
    pieces = view.pieces([ids[n] for n in text])
    ends = np.cumsum([len(p) for p in pieces])
    for name in dict.fromkeys(m.label for m in sample.marks if m.role == "target"):
        if places := list(re.finditer(rf"\b{re.escape(name)}\b", "".join(pieces), re.IGNORECASE)):
            a, b = places[-1].span()
            return {n for n, end, piece in zip(text, ends, pieces, strict=True) if a < end and end - len(piece) < b}
    return set()

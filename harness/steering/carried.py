"""What prompts of text begin with is encoded once: the keys and values of one prompt are carried to the next batch.

Batches come in an order in which neighbours begin alike (`harness.models.hf.batching`), so the carried prompt is the
present path through the tree of all prompts: what the next prompts have in common with it is cut out, the rest encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor
from transformers import DynamicCache

from harness.steering.blocks import BLOCKS
from harness.steering.inputs import TEXT, Inputs, common_prefix
from harness.steering.roomy import RoomyLayer, roomy

if TYPE_CHECKING:
    from harness.steering.batch import Batch
    from harness.steering.view import View

SAVED = 64
"""Tokens that sharing must save in a batch: less does not pay for a pass of its own."""
FEW = 32
"""And for one prompt, which goes on from the carried one without such a pass, where its mask costs nothing."""


@dataclass(frozen=True)
class Carried:
    """Tokens [T] on the CPU, and each layer's keys and values [1, heads, T, size]."""

    tokens: Tensor
    layers: Sequence[tuple[Tensor, Tensor]]

    def common(self, tokens: Tensor) -> int:
        """How many of these tokens [t] it begins with."""
        return common_prefix([self.tokens, tokens]) if len(tokens) and len(self.tokens) else 0

    def cache(self, view: View, length: int) -> DynamicCache:
        """Its first `length` tokens, to be continued."""
        made = roomy(view)
        for l, (keys, values) in enumerate(self.layers):
            made.update(keys[:, :, :length], values[:, :, :length], l)
        return made


def carries(view: View) -> bool:
    """Whether a model's cache is keys and values of every token, at positions that the tokens alone give."""
    stateful = getattr(view.text_model, "_is_stateful", False)
    return (
        view.shares_prefix
        and view.window is None
        and not stateful
        and not hasattr(view.model.base_model, "rope_deltas")
    )


def mark(view: View, inputs: Sequence[Inputs]) -> None:
    """Mark prompts of text that go through the model together as beginning alike, where that saves enough."""
    if not inputs or not carries(view) or any(row.sees or row.shared for row in inputs):
        return
    rows = [row.tensors["input_ids"][0] for row in inputs]
    longest = min(map(len, rows)) - 1
    common = min(common_prefix(rows), longest)
    known = view.carried.common(rows[0][:common]) if view.carried else 0
    if len(rows) == 1:
        common = known
    alone = len(rows) == 1 and view.implementation == BLOCKS
    if (len(rows) - 1) * common + known >= (FEW if alone else SAVED):
        for row in inputs:
            row.shared = (TEXT, common)


def begins_alike(rows: Sequence[Inputs]) -> bool:
    """Whether rows that are marked as beginning with one text do."""
    length = rows[0].shared[1] if rows[0].shared else 0
    same = all(row.shared == rows[0].shared and not row.sees for row in rows)
    return same and common_prefix([row.tensors["input_ids"][0] for row in rows]) >= length


def is_text(batch: Batch) -> bool:
    """Whether a batch's rows share one beginning of text, which methods leave as it is."""
    keys = {row.shared[0] if row.shared else "" for row in batch.samples}
    return keys == {TEXT} and not batch.streams and not any(m.prefix == "with" for m in batch.methods)


def keep(batch: Batch, cache: Any, mask: Tensor) -> None:
    """Carry the last sample's prompt, but for its last token, at which methods act.

    Args:
        cache: Of the pass that has ended.
        mask: Of the prompts [rows, columns]: 0 where there is padding.
    """
    view = batch.view
    view.carried = None
    plain = all(m.prefix == "plain" and not m.drops for m in batch.methods)
    if batch.beams > 1 or not plain or not batch.samples or not carries(view) or batch.samples[-1].sees:
        return
    row = len(batch.samples) - 1
    columns = mask[row].nonzero()[:-1, 0]
    tokens = batch.samples[-1].tensors["input_ids"][0][:-1].cpu()
    if view.image_token_id is not None and bool((tokens == view.image_token_id).any()):  # of an earlier turn
        return
    layers = []
    for layer in cache.layers:
        if not isinstance(layer, RoomyLayer) or not layer.is_initialized:
            return
        layers.append(layer.part(row, columns))
    if layers and len(tokens) >= SAVED:
        view.carried = Carried(tokens, layers)

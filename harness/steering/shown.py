"""Beginnings with pictures that further batches may have: in half precision only questions of equal length share one.

They are kept as long as they fit, the last ones that were used; a batch with others encodes those alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache

from harness.steering.carried import Carried
from harness.steering.inputs import Inputs
from harness.steering.roomy import RoomyLayer, roomy
from harness.steering.spread import layered, pays

if TYPE_CHECKING:
    from harness.steering.view import View

KEPT = 2**29
"""Bytes of keys and values that are kept: one picture of LLaVA-1.5-7B, some of smaller models."""


class Shown:
    """The kept beginnings by their key (`Inputs.shared`)."""

    def __init__(self) -> None:
        self._held: dict[str, Carried] = {}

    def begun(
        self,
        view: View,
        keys: Sequence[str],
        heads: Sequence[Inputs],
        of: Tensor,
        encode: Callable[[Sequence[Inputs]], Any],
    ) -> tuple[DynamicCache, int] | None:
        """A cache whose rows hold their beginnings, and of how many tokens; None where the pictures end too far apart.

        Args:
            keys, heads: Of the beginnings, all of them different.
            of: The number of each row's beginning, on the CPU.
            encode: Makes a cache of some of the heads, padded on the left.
        """
        tokens = [head.tensors["input_ids"][0].cpu() for head in heads]
        ends = [int((row == view.image_token_id).nonzero()[-1]) + 1 for row in tokens]
        if min(map(len, tokens)) < max(ends):
            return None
        last = max(ends)
        held = {key: self._held.pop(key) for key in keys if key in self._held}
        fresh = [i for i, key in enumerate(keys) if key not in held or held[key].common(tokens[i]) < last]
        if fresh:
            self._drop(sum(len(tokens[i]) for i in fresh))
            cache = encode([heads[i] for i in fresh])
            if not all(type(layer) is RoomyLayer for layer in cache.layers):
                return None
            held |= {keys[i]: one for i, one in zip(fresh, _taken(cache, [tokens[i] for i in fresh]), strict=True)}
        length = min(held[key].common(tokens[i]) for i, key in enumerate(keys))
        made: Any = roomy(view)
        parts: list[Any] = [
            [(k[:, :, :length], v[:, :, :length]) for k, v in each]
            for each in zip(*(held[key].layers for key in keys), strict=True)
        ]
        if pays(parts, of):
            made.layers = layered(parts, of)
        else:
            for l, part in enumerate(parts):
                k, v = (torch.cat([pair[which] for pair in part])[of.to(part[0][0].device)] for which in (0, 1))
                made.update(k, v, l)
        self._held |= held
        self._drop(0)
        return made, length

    def _drop(self, tokens: int) -> None:
        """Let go of the oldest, so that so many further tokens find room."""
        sizes = {key: size(one) for key, one in self._held.items()}
        each = max((sizes[key] / len(self._held[key].tokens) for key in sizes), default=0.0)
        for key in list(self._held):
            if sum(sizes.values()) + each * tokens <= KEPT:
                return
            del self._held[key], sizes[key]


def size(one: Carried) -> int:
    return sum(k.nbytes + v.nbytes for k, v in one.layers)


def _taken(cache: Any, tokens: Sequence[Tensor]) -> list[Carried]:
    """Each row's own tokens, without the padding in front. The cache is used up, layer by layer: with it there would be
    two of everything."""
    found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in tokens]
    for number, layer in enumerate(cache.layers):
        for row, own in enumerate(tokens):
            part = slice(row, row + 1), slice(None), slice(-len(own), None)
            found[row].append((layer.keys[part].clone(), layer.values[part].clone()))
        cache.layers[number] = RoomyLayer()
    return [Carried(own, layers) for own, layers in zip(tokens, found, strict=True)]

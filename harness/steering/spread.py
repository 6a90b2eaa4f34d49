"""Rows that begin alike hold their beginning once; attention reads it once (`harness.steering.cascade`), and what reads
it otherwise sees it spread out over the rows, one layer at a time.

A row of LLaVA-1.5-7B takes 0.5 MiB a token in half precision: eighteen questions about one picture would hold its
600 tokens eighteen times, 5 GiB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from harness.steering.cascade import Cascade, fill
from harness.steering.roomy import RoomyLayer

ROOM = 16
"""Tokens that find room after a beginning: all rows are large here, and little is copied."""

Beginnings = Sequence[tuple[Tensor, Tensor]]
"""Keys and values [1, heads, P, size] of each beginning."""


class Scratch:
    """Memory for the keys and the values of one layer at a time. New memory for each would cost more than what is
    written there."""

    def __init__(self) -> None:
        self._held: dict[int, Tensor] = {}

    def take(self, which: int, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Not initialised. What was taken before is used again unless somebody still holds it."""
        held, numbers = self._held.get(which), math.prod(shape)
        if held is None or held.numel() < numbers or held.dtype != like.dtype or _users(held) > ALONE:
            rows, heads, length, size = shape
            held = self._held[which] = like.new_empty(rows * heads * (length + ROOM) * size)
        return held[:numbers].view(shape)


def _users(tensor: Tensor) -> int:
    """Tensors and views that hold a tensor's numbers, and one for the question."""
    return torch._C._storage_Use_Count(tensor.untyped_storage()._cdata)


ALONE = _users(torch.empty(1))


class SpreadLayer(RoomyLayer):
    """`of`: the beginning of each row, one of `beginnings`; `tail`: what follows it; `scratch`: where a pass sees both,
    until the next layer does."""

    def __init__(self, beginnings: Beginnings, of: Tensor, scratch: Scratch | None = None):
        first = beginnings[0][0]
        self.scratch = scratch or Scratch()
        self.beginnings, self.of, self.tail = beginnings, of.to(first.device), RoomyLayer()
        self._groups: tuple[Tensor, list[Tensor]] | None = None
        self.tail.room = ROOM
        self.is_initialized, self.dtype, self.device = True, first.dtype, first.device

    @property
    def keys(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._whole(0)

    @property
    def values(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._whole(1)

    @property
    def groups(self) -> list[Tensor]:
        """The rows [n] that have each of the beginnings."""
        if self._groups is None or self._groups[0] is not self.of:
            found = [(self.of == number).nonzero().flatten() for number in range(len(self.beginnings))]
            self._groups = self.of, found
        return self._groups[1]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        tails = self.tail.update(key_states, value_states)
        if torch.compiler.is_compiling():
            return self._whole(0), self._whole(1)
        used = [(pair, rows) for pair, rows in zip(self.beginnings, self.groups, strict=True) if len(rows)]
        groups = [rows for _, rows in used]
        keys, values = (
            Cascade.of([pair[which] for pair, _ in used], groups, tail, partial(self.scratch.take, which, tail))
            for which, tail in enumerate(tails)
        )
        return keys, values

    def _whole(self, which: int, room: int = 0) -> Tensor:
        """Keys or values spread out, with room for so many tokens more."""
        beginnings = [pair[which] for pair in self.beginnings]
        _, heads, _, size = beginnings[0].shape
        out = beginnings[0].new_empty(len(self.of), heads, self.get_seq_length() + room, size)
        tail = (self.tail.keys, self.tail.values)[which] if self.tail.get_seq_length() else None
        return fill(out, beginnings, self.groups, tail)

    def get_seq_length(self) -> int:
        return self.beginnings[0][0].shape[-2] + self.tail.get_seq_length()

    def crop(self, tokens_to_remove: int) -> None:
        if -tokens_to_remove <= self.tail.get_seq_length():
            self.tail.crop(tokens_to_remove)
            return
        self.plain()
        self.crop(tokens_to_remove)

    def row(self, number: int) -> tuple[Tensor, Tensor]:
        pair, tail = self.beginnings[int(self.of[number])], (self.tail.keys, self.tail.values)
        if not self.tail.get_seq_length():
            return pair
        found = [torch.cat([one, own[number : number + 1]], 2) for one, own in zip(pair, tail, strict=True)]
        return found[0], found[1]

    def plain(self) -> None:
        keys, values = (self._whole(which, RoomyLayer.room) for which in range(2))
        self.reset()
        self.hold(keys, values, RoomyLayer.room)

    def batch_select_indices(self, indices: Tensor) -> None:
        self.of = self.of[indices]
        self.tail.batch_select_indices(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.of = self.of.repeat_interleave(repeats)
        self.tail.batch_repeat_interleave(repeats)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        self.batch_select_indices(beam_idx.to(self.of.device))

    def reset(self) -> None:
        """Empty, and like any other layer."""
        own: Any = self
        vars(own).clear()
        own.__class__ = RoomyLayer
        own.__init__()


def spread(cache: DynamicCache, of: Tensor) -> None:
    """Let the rows of a cache begin others: `of` [rows] names each one's, on the CPU."""
    layers: list[Any] = list(cache.layers)
    if all(type(layer) is RoomyLayer and layer.is_initialized for layer in layers):
        parts = [[(k[None], v[None]) for k, v in zip(x.keys, x.values, strict=True)] for x in layers]
        if pays(parts, of):
            layers[:] = layered(parts, of)
            cache.layers = layers
            return
    cache.batch_select_indices(of)


def layered(parts: Sequence[Beginnings], of: Tensor) -> list[Any]:
    """Layers of one cache."""
    scratch = Scratch()
    return [SpreadLayer(part, of, scratch) for part in parts]


def pays(layers: Sequence[Beginnings], of: Tensor) -> bool:
    """Whether rows that begin so hold their beginnings once: on a CPU. A GPU would wait for each of them."""
    pairs = layers[0]
    held = sum(k.nbytes + v.nbytes for k, v in pairs)
    return pairs[0][0].device.type == "cpu" and held // len(pairs) * len(of) >= 2 * held

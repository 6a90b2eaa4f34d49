"""Rows that begin alike hold their beginning once; a pass sees it spread out over them, one layer at a time.

A row of LLaVA-1.5-7B takes 0.5 MiB a token in half precision: eighteen questions about one picture would hold its
600 tokens eighteen times, 5 GiB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from harness.steering.roomy import RoomyLayer

LARGE = 2**30
"""Bytes of spread out keys and values from which they are spread again in each pass, which takes time."""

ROOM = 16
"""Tokens that find room after a beginning: all rows are large here, and little is copied."""

Beginnings = Sequence[tuple[Tensor, Tensor]]
"""Keys and values [1, heads, P, size] of each beginning."""


class Scratch:
    """Memory for the keys and the values of one layer at a time. New memory for each would cost more than what is
    written there."""

    def __init__(self) -> None:
        self._held: dict[int, Tensor] = {}

    def take(self, which: int, shape: tuple[int, ...], like: Tensor) -> Tensor:
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
        self.tail.room = ROOM
        self.is_initialized, self.dtype, self.device = True, first.dtype, first.device

    @property
    def keys(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._whole(0, self.tail.keys)

    @property
    def values(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._whole(1, self.tail.values)

    def _whole(self, which: int, tail: Tensor | None, scratch: Scratch | None = None) -> Tensor:
        first = self.beginnings[0][which]
        _, heads, length, size = first.shape
        shape = len(self.of), heads, self.get_seq_length(), size
        out = scratch.take(which, shape, first) if scratch else first.new_empty(shape)
        for number, pair in enumerate(self.beginnings):
            for row in (self.of == number).nonzero().flatten().tolist():
                out[row, :, :length] = pair[which][0]
        if tail is not None and self.tail.get_seq_length():
            out[:, :, length:] = tail
        return out

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        self.tail.update(key_states, value_states)
        return self._whole(0, self.tail.keys, self.scratch), self._whole(1, self.tail.values, self.scratch)

    def get_seq_length(self) -> int:
        return self.beginnings[0][0].shape[-2] + self.tail.get_seq_length()

    def crop(self, tokens_to_remove: int) -> None:
        if -tokens_to_remove <= self.tail.get_seq_length():
            self.tail.crop(tokens_to_remove)
            return
        self.plain()
        self.crop(tokens_to_remove)

    def plain(self) -> None:
        keys, values = self.keys, self.values
        self.reset()
        self.update(keys, values)

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
        if large(parts, of):
            layers[:] = layered(parts, of)
            cache.layers = layers
            return
    cache.batch_select_indices(of)


def layered(parts: Sequence[Beginnings], of: Tensor) -> list[Any]:
    """Layers of one cache."""
    scratch = Scratch()
    return [SpreadLayer(part, of, scratch) for part in parts]


def large(layers: Sequence[Beginnings], of: Tensor) -> bool:
    """Whether rows that begin so are worth to be spread again in each pass. On a GPU, which would wait for each row,
    they are not."""
    if layers[0][0][0].is_cuda:
        return False
    held = sum(k.nbytes + v.nbytes for part in layers for k, v in part)
    rows = held // len(layers[0]) * len(of)
    return rows >= max(LARGE, 2 * held)

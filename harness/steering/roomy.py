"""A key-value cache with room for further tokens: a step of decoding writes its own, and copies none of those before.

`DynamicCache` of transformers concatenates at each step, which costs as much as the attention to a long prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from harness.steering.view import View

ROOM = 64
"""Tokens that find room before the cache is copied."""


class RoomyLayer(DynamicLayer):
    """`keys` and `values` [rows, heads, tokens, size] are the filled parts of larger tensors, until something (a choice
    of rows) puts others in their place."""

    keys: Any
    values: Any
    room: int = ROOM
    _store: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        held = self.get_seq_length()
        end = held + key_states.shape[-2]
        self._store = self._fitting(key_states, value_states, held, end)
        for store, states in zip(self._store, (key_states, value_states), strict=True):
            store[:, :, held:end] = states
        self.keys, self.values = (store[:, :, :end] for store in self._store)
        return self.keys, self.values

    def hold(self, keys: Tensor, values: Tensor, room: int) -> None:
        """Hold these, whose last `room` tokens are empty."""
        self.lazy_initialization(keys, values)
        self._store = keys, values
        self.keys, self.values = (store[:, :, : store.shape[2] - room] for store in self._store)

    def row(self, number: int) -> tuple[Tensor, Tensor]:
        """Keys and values [1, heads, tokens, size] of one row."""
        return self.keys[number : number + 1], self.values[number : number + 1]

    def part(self, number: int, columns: Tensor) -> tuple[Tensor, Tensor]:
        """A copy of these columns [T] of one row."""
        keys, values = self.row(number)
        at = columns.to(keys.device)
        return keys[:, :, at], values[:, :, at]

    def plain(self) -> None:
        """Hold each row by itself, so that rows can be put in the place of others."""

    def lay(self, rows: int, taken: Tensor, at: Tensor, left: int) -> None:
        """Copy rows once, with room for further tokens.

        Args:
            rows: How many there are from now on; those that nothing is put into hold zeros.
            taken: Which of the present rows stay [n].
            at: Where they are put [n].
            left: Columns of zeros that come in front; a negative number takes so many columns away.
        """
        made = []
        for old in (self.keys, self.values):
            _, heads, held, size = old.shape
            store = torch.zeros(rows, heads, held + left + ROOM, size, dtype=old.dtype, device=old.device)
            store[at, :, max(0, left) : held + left] = old[taken, :, max(0, -left) :]
            made.append(store)
        self.hold(made[0], made[1], ROOM)

    def pick(self, columns: Tensor) -> None:
        """Keep these columns of each row, in their order [rows, tokens]."""
        self.plain()
        at = columns.to(self.keys.device)[:, None, :, None].expand(-1, self.keys.shape[1], -1, -1)
        keys, values = (x.gather(2, at.expand(-1, -1, -1, x.shape[-1])) for x in (self.keys, self.values))
        self.keys = self.values = None
        self.is_initialized = False
        self.update(keys, values)

    def put(self, at: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write rows of at most as many tokens [n, heads, t, size] over the rows `at` [n], right-aligned."""
        for held, new in ((self.keys, keys), (self.values, values)):
            held[at, :, held.shape[2] - new.shape[2] :] = new

    def _fitting(self, keys: Tensor, values: Tensor, held: int, end: int) -> tuple[Tensor, Tensor]:
        """The tensors that hold what is there, with room for `end` tokens."""
        if self._store and held and self._store[0].shape[2] >= end:
            pairs = zip(self._store, (self.keys, self.values), strict=True)
            if all(s.data_ptr() == x.data_ptr() and s[:, :, :held].shape == x.shape for s, x in pairs):
                return self._store
        made = []
        for new, old in ((keys, self.keys), (values, self.values)):
            rows, heads, _, size = new.shape
            store = torch.empty(rows, heads, end + self.room, size, dtype=new.dtype, device=new.device)
            if held:
                store[:, :, :held] = old
            made.append(store)
        return made[0], made[1]


def roomy(view: View) -> DynamicCache:
    """An empty cache for a model; layers of another kind (with a sliding window) are as they would be."""
    cache = DynamicCache(config=view.decoder.config)
    for layer in cache.layers:
        if type(layer) is DynamicLayer:
            layer.__class__ = RoomyLayer
    return cache

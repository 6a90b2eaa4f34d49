"""A key-value cache whose entries can be dropped one by one, while positions count on as if they were there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class Sparse(DynamicLayer):
    """One layer of keys and values [b, Hk, k', D]. `columns` [b, Hk, k'] tells where in the sequence an entry belongs;
    -1 is a hole, where rows or heads keep fewer entries than others."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: Tensor | None = None
        self.seen = 0
        """Tokens that were put in, dropped ones included."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        rows, heads, count, _ = key_states.shape
        new = torch.arange(self.seen, self.seen + count, device=key_states.device).expand(rows, heads, count)
        self.columns = new if self.columns is None else torch.cat([self.columns, new], -1)
        self.seen += count
        return super().update(key_states, value_states, *args, **kwargs)

    def get_seq_length(self) -> int:
        return self.seen

    def drop(self, kept: Tensor) -> None:
        """Hold on to the entries that `kept` [b, Hk, tokens seen] names, in their order, and to no other."""
        assert self.columns is not None and self.keys is not None and self.values is not None
        alive = (self.columns >= 0) & kept.gather(-1, self.columns.clamp(min=0))
        most = int(alive.sum(-1).max())
        if most == self.columns.shape[-1]:
            return
        index = (~alive).long().argsort(dim=-1, stable=True)[..., :most]
        self.columns = self.columns.gather(-1, index).masked_fill(~alive.gather(-1, index), -1)
        wide = index[..., None].expand(*index.shape, self.keys.shape[-1])
        self.keys = self.keys.gather(2, wide)
        self.values = self.values.gather(2, index[..., None].expand(*index.shape, self.values.shape[-1]))

    def spread(self, weights: Tensor) -> Tensor:
        """Attention weights [b, H, R, k'] on the entries as weights [b, H, R, tokens seen] on the sequence."""
        places = self._by_head(weights.shape[1]).expand(-1, -1, weights.shape[2], -1)
        full = weights.new_zeros(*weights.shape[:-1], self.seen)
        return full.scatter_add(-1, places.clamp(min=0), weights * (places >= 0))

    def mask(self, given: Tensor | None, heads: int) -> Tensor:
        """Which entries a row of length 1 may read, bool [b, heads, 1, k']. `given` [b, 1, 1, tokens seen] hides
        padding."""
        places = self._by_head(heads)
        if given is None:
            return places >= 0
        seen = given if given.dtype == torch.bool else given > torch.finfo(given.dtype).min / 2
        return (places >= 0) & seen.expand(*places.shape[:-1], -1).gather(-1, places.clamp(min=0))

    def _by_head(self, heads: int) -> Tensor:
        assert self.columns is not None
        return self.columns.repeat_interleave(heads // self.columns.shape[1], 1)[:, :, None]


class SparseCache(DynamicCache):
    """A cache of `Sparse` layers."""

    def __init__(self, layers: int):
        super().__init__()
        self.layer_class_to_replicate = None
        self.layers = [Sparse() for _ in range(layers)]

    @property
    def bytes(self) -> int:
        """What keys and values take now."""
        tensors = [t for layer in self.layers for t in (layer.keys, layer.values) if t is not None]
        return sum(t.nbytes for t in tensors)

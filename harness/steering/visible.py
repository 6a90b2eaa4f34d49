"""Which keys each query of a sequence sees, tile by tile, and attention that costs no more than what is seen.

Queries of one tile share one list of keys, so a tile is a small dense attention: on a CPU the keys of the tiles are
gathered, on a GPU the mask of blocks goes to FlexAttention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

FETCHED = 24
"""Pairs that take as long as fetching one key and its value for a tile (benchmarks/tower.py, as what follows)."""
GATHERED = 0.75
"""Work of the tiles, as a share of the dense pairs, up to which gathering is faster than masked dense attention."""
LONG = 1024
"""Tokens from which FlexAttention is used on a GPU: below, masked dense attention takes less than its launch."""
SPARSE = 0.6
"""Share of the blocks up to which it is faster there than masked dense attention (benchmarks/tower.py --cuda)."""
BLOCK = 128
"""Queries and keys of a block of FlexAttention."""
AT_ONCE = 2**18
"""Numbers of keys that are gathered at once: what fits in a cache is gathered faster."""


@dataclass(frozen=True, eq=False)
class Visible:
    """Each query is in exactly one tile, or sees everything.

    Attributes:
        length: Tokens of the sequence, n.
        queries: Places of each tile's queries [T, m]; -1 pads.
        keys: Places of each tile's keys [B, T, U], B the rows of the batch or 1; -1 pads.
        inner: Which keys of its tile a query sees, bool [B, T, m, U]; None where all.
        dense: Tokens that see all and are seen by all [c].
    """

    length: int
    queries: Tensor
    keys: Tensor
    inner: Tensor | None
    dense: Tensor

    @cached_property
    def mask(self) -> Tensor:
        """Who sees whom, bool [B, n, n]."""
        rows, n = len(self.keys), self.length
        seen = torch.zeros(rows, n + 1, n + 1, dtype=torch.bool, device=self.keys.device)
        shape = (rows, *self.queries.shape, self.keys.shape[-1])
        at = (
            torch.arange(rows, device=seen.device)[:, None, None, None].expand(shape),
            self.queries[None, :, :, None].expand(shape) % (n + 1),
            self.keys[:, :, None].expand(shape) % (n + 1),
        )
        inner = seen.new_ones(()) if self.inner is None else self.inner
        seen.index_put_(at, inner.expand(shape).contiguous())
        seen = seen[:, :n, :n].contiguous()
        seen[:, self.dense] = True
        seen[:, :, self.dense] = True
        return seen

    @cached_property
    def count(self) -> Tensor:
        """Keys that each query sees [B, n]."""
        filled = (self.keys >= 0)[:, :, None]
        inner = filled if self.inner is None else filled & self.inner
        each = inner.sum(-1).expand(len(self.keys), *self.queries.shape).flatten(1) + len(self.dense)
        whole = torch.full_like(each[:, :1], self.length).expand(-1, len(self.dense))
        return torch.cat([each, whole], 1)[:, self._slots]

    @property
    def work(self) -> int:
        """What gathering costs, in pairs of query and key, padding included."""
        tiles, size = self.queries.shape
        return work(tiles, size, self.keys.shape[-1] + len(self.dense)) + len(self.dense) * self.length

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Attention of q over k and v, [b, H, n, D] each, by the way that suits the device and the pattern."""
        sparse = q.is_cuda and self.length >= LONG and self.blocks(self._tiles(q)) <= SPARSE
        if sparse and (found := self.by_blocks(q, k, v, scale)) is not None:
            return found
        if not q.is_cuda and self.work <= GATHERED * self.length**2:
            return self.gathered(q, k, v, scale)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask[:, None], scale=scale)

    def gathered(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Tile by tile: only the pairs of the tiles are computed."""
        keys, mask = self._extended
        tiles = len(self.queries)
        heads, size, queries = q.shape[1], q.shape[3], self.queries.clamp(min=0)[None]
        at_once = max(1, AT_ONCE // (len(q) * heads * size * keys.shape[-1]))
        parts = []
        for first in range(0, tiles, at_once):
            some = slice(first, first + at_once)
            inner = None if mask is None else mask[:, some]
            if inner is not None and len(inner) > 1:
                inner = inner.repeat_interleave(heads, 0)
            parts.append(
                F.scaled_dot_product_attention(
                    *(_taken(x, at[:, some]) for x, at in ((q, queries), (k, keys), (v, keys))),
                    attn_mask=inner,
                    scale=scale,
                ).view(len(q), heads, -1, size)
            )
        if len(self.dense):
            parts.append(F.scaled_dot_product_attention(q[:, :, self.dense], k, v, scale=scale))
        return torch.cat(parts, 2).index_select(2, self._slots)

    @cached_property
    def _extended(self) -> tuple[Tensor, Tensor | None]:
        """Keys of the tiles with those that all see, padded by 0, and the mask [B, T, m, U + c] where one is needed."""
        shape = (*self.keys.shape[:2], len(self.dense))
        keys = torch.cat([self.keys, self.dense.expand(shape)], 2)
        filled = keys >= 0
        if self.inner is None and bool(filled.all()):
            return keys, None
        inner = filled[:, :, None].expand(-1, -1, self.queries.shape[1], -1)
        if self.inner is not None:
            inner = inner & F.pad(self.inner, (0, len(self.dense)), value=True)
        nobody = (self.queries < 0)[None, :, :, None]  # a row of padding must see something, or its softmax is NaN
        return keys.clamp(min=0), inner | nobody

    @cached_property
    def _slots(self) -> Tensor:
        """Where each token's result lies among the tiles' and after them [n]."""
        flat = torch.cat([self.queries.flatten(), self.dense])
        slots = torch.empty(self.length, dtype=torch.long, device=flat.device)
        filled = flat >= 0
        slots[flat[filled]] = torch.arange(len(flat), device=flat.device)[filled]
        return slots

    def by_blocks(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor | None:
        """By FlexAttention; None where it cannot be compiled (no Triton, no compiler)."""
        if q.device.type in _UNCOMPILED:
            return None
        try:
            return self.flex(q, k, v, scale)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # what torch.compile raises
            _UNCOMPILED.add(q.device.type)
            return None

    def flex(self, q: Tensor, k: Tensor, v: Tensor, scale: float, *, tiles: bool | None = None) -> Tensor:
        """FlexAttention over the blocks of the mask that are not empty; compiled on a GPU.

        One row of the batch after the other, for each new number of rows would be compiled again, and one fills a GPU.
        `tiles`: whether the tokens are brought into the order of the tiles, so that neighbours are in one block; None
        for the order that suits the pattern.
        """
        tiles = self._tiles(q) if tiles is None else tiles
        if tiles:
            q, k, v = (x.index_select(2, self._order) for x in (q, k, v))
        masks = [self._mask_of_blocks(tiles, row) for row in range(len(self.keys))]
        out = torch.cat(
            [
                _flex(q.is_cuda)(*(x[i : i + 1] for x in (q, k, v)), block_mask=masks[i % len(masks)], scale=scale)
                for i in range(len(q))
            ]
        )
        return out.index_select(2, self._order.argsort()) if tiles else out

    def _tiles(self, q: Tensor) -> bool:
        """Whether the order of the tiles saves more than it costs: in half precision it does not."""
        return q.dtype == torch.float32 and 2 * self.blocks(True) < self.blocks(False)

    def blocks(self, tiles: bool) -> float:
        """Share of the blocks in which some query sees some key."""
        made = self.__dict__.setdefault("_shares", {})
        if tiles not in made:
            made[tiles] = float(self._blocks(tiles)[0].float().mean())
        return made[tiles]

    def _blocks(self, tiles: bool) -> tuple[Tensor, Tensor]:
        """Blocks in which some query sees some key, and those in which each sees each, bool [B, N, N]."""
        made = self.__dict__.setdefault("_found", {})
        if tiles not in made:
            rest = -self.length % BLOCK
            seen = F.pad(self._ordered(tiles), (0, rest, 0, rest)).unflatten(2, (-1, BLOCK)).unflatten(1, (-1, BLOCK))
            made[tiles] = seen.any(4).any(2), seen.all(4).all(2)
        return made[tiles]

    @cached_property
    def _order(self) -> Tensor:
        """The tokens tile by tile, and those that see all after them [n]."""
        flat = torch.cat([self.queries.flatten(), self.dense])
        return flat[flat >= 0]

    def _ordered(self, tiles: bool) -> Tensor:
        """The mask in the order of the tiles, or as it is."""
        return self.mask[:, self._order][:, :, self._order] if tiles else self.mask

    def _mask_of_blocks(self, tiles: bool, row: int) -> Any:
        """Of one row of the batch."""
        from torch.nn.attention.flex_attention import BlockMask

        made = self.__dict__.setdefault("_made", {})
        if (tiles, row) not in made:
            mask, (some, whole) = self._ordered(tiles)[row], (x[row : row + 1] for x in self._blocks(tiles))
            seen: Callable[..., Tensor] = lambda b, h, i, j: mask[i, j]  # noqa: E731
            listed = (*_listed(some & ~whole), *_listed(whole))
            lengths = (self.length, self.length)
            made[tiles, row] = BlockMask.from_kv_blocks(*listed, BLOCK_SIZE=BLOCK, mask_mod=seen, seq_lengths=lengths)
        return made[tiles, row]


def _listed(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Of bool [B, N, N]: how many each row has [B, 1, N], and their columns, those first [B, 1, N, N]."""
    columns = blocks.int().argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(-1, dtype=torch.int32)[:, None], columns.int()[:, None].contiguous()


@dataclass(frozen=True)
class Look:
    """What the tower did for one sample's pictures.

    Attributes:
        keys: Keys that a query sees, mean over queries and layers.
        dense: The same where every query sees its whole picture.
        gflops: Of the layers' linear maps and of the attention to what is seen, 1e9 operations.
    """

    keys: float
    dense: float
    gflops: float


def work(tiles: int, queries: int, keys: int) -> int:
    """What so many tiles of so many queries and keys cost, in pairs."""
    return tiles * keys * (queries + FETCHED)


def _taken(x: Tensor, at: Tensor) -> Tensor:
    """x [b, H, n, D] at the places [B, T, U] of its third axis: [b * H, T, U, D]."""
    flat = at.flatten(1)
    if len(flat) == 1:
        found = x.index_select(2, flat[0])
    else:
        found = x.gather(2, flat[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[-1]))
    return found.flatten(0, 1).unflatten(1, at.shape[1:])


_COMPILED: dict[bool, Any] = {}
_UNCOMPILED: set[str] = set()
"""Kinds of devices for which FlexAttention could not be compiled: it is not tried again in each layer."""


def _flex(compiled: bool) -> Any:
    if compiled not in _COMPILED:
        from torch.nn.attention.flex_attention import flex_attention

        _COMPILED[compiled] = torch.compile(flex_attention, dynamic=False) if compiled else flex_attention
    return _COMPILED[compiled]

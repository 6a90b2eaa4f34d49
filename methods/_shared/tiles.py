"""Patterns over a grid of patches as tiles: who sees whom along each axis, and both axes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.steering.places import Places
from harness.steering.visible import Visible, work

LENGTHS = (4, 6, 8, 12)
"""Lengths of tiles along an axis, of which the cheapest is taken."""


@dataclass(frozen=True)
class Part:
    """Tiles of one grid: queries [T, m] and keys [B, T, U] as places in the sequence, -1 pads; inner [B, T, m, U]."""

    queries: Tensor
    keys: Tensor
    inner: Tensor | None = None


@dataclass(frozen=True)
class Axis:
    """Tiles of one axis: queries [T, m] and keys [T, U] as coordinates, -1 pads; inner bool [T, m, U]."""

    queries: Tensor
    keys: Tensor
    inner: Tensor


def cut(n: int, reach: int) -> Tensor:
    """A window of `reach` on both sides that is cut at the borders: bool [n, n]."""
    at = torch.arange(n)
    return (at - at[:, None]).abs() <= reach


def axis(seen: Tensor, length: int, dilation: int = 1) -> Axis:
    """Tiles of `length` neighbouring queries of one dilation group, with the keys that any of them sees."""
    groups = [torch.arange(d, len(seen), dilation).split(length) for d in range(dilation)]
    queries = [part for group in groups for part in group]
    keys = [seen[q].any(0).nonzero().flatten() for q in queries]
    q, k = padded(queries), padded(keys)
    inner = seen[q.clamp(min=0)[:, :, None], k.clamp(min=0)[:, None]] & (q >= 0)[:, :, None] & (k >= 0)[:, None]
    return Axis(q, k, inner)


def tiled(rules: Sequence[Tensor], grid: Tensor, lengths: Sequence[int] = LENGTHS, dilation: int = 1) -> Part:
    """The product of a rule for rows and one for columns, in tiles of the length that costs least."""
    found = [[axis(rule, length, dilation) for rule in rules] for length in dict.fromkeys(lengths)]
    rows, columns = min(found, key=_work)
    return crossed(rows, columns, grid)


def _work(axes: Sequence[Axis]) -> int:
    count, queries, keys = 1, 1, 1
    for one in axes:
        count, queries = count * len(one.queries), queries * one.queries.shape[1]
        keys *= one.keys.shape[1]
    return work(count, queries, keys)


def crossed(rows: Axis, columns: Axis, grid: Tensor) -> Part:
    """A pattern that is the product of one along each axis, on a grid of places [height, width]."""

    def both(a: Tensor, b: Tensor) -> Tensor:
        r, c = a[:, None, :, None], b[None, :, None, :]
        at = grid[r.clamp(min=0), c.clamp(min=0)].masked_fill((r < 0) | (c < 0), -1)
        return at.flatten(0, 1).flatten(1)

    inner = rows.inner[:, None, :, None, :, None] & columns.inner[None, :, None, :, None, :]
    inner = inner.flatten(0, 1).flatten(1, 2).flatten(2)
    queries, keys = both(rows.queries, columns.queries), both(rows.keys, columns.keys)
    needed = bool((~inner & (queries >= 0)[:, :, None]).any())
    return Part(queries, keys[None], inner[None] if needed else None)


def padded(rows: Sequence[Tensor]) -> Tensor:
    """Vectors of several lengths as [T, longest], -1 after them."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-1)


def joined(places: Places, parts: Sequence[Part], device: torch.device) -> Visible:
    """The grids of a sequence side by side; tokens without a position see all and are seen by all."""
    m, u = (max(x.shape[-1] for x in xs) for xs in ([p.queries for p in parts], [p.keys for p in parts]))
    wide = lambda x, size: F.pad(x, (0, size - x.shape[-1]), value=-1)  # noqa: E731
    queries = torch.cat([wide(p.queries, m) for p in parts])
    keys = torch.cat([wide(p.keys, u) for p in parts], 1)
    inner = None
    if any(p.inner is not None for p in parts):
        inner = torch.cat([_inner(p, m, u) for p in parts], 1).to(device)
    return Visible(places.length, queries.to(device), keys.to(device), inner, places.others.to(device))


def _inner(part: Part, m: int, u: int) -> Tensor:
    inner = part.inner
    if inner is None:
        inner = (part.keys >= 0)[:, :, None].expand(-1, -1, part.queries.shape[1], -1)
    return F.pad(inner, (0, u - inner.shape[-1], 0, m - inner.shape[-2]))

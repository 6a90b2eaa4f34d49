"""The attention function that methods see through. It is chosen for the decoder alone, and only while they run.

Everything goes through the attention that the decoder has without them; only the query rows that a method edits are
computed explicitly. If no point changes anything, the result is the same as without methods, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from harness.core.errors import UsageError
from harness.steering.batch import Batch
from harness.steering.blocks import attend
from harness.steering.eviction import Sparse
from harness.steering.guard import Point
from harness.steering.method import Steering
from harness.steering.returned import returned
from harness.steering.view import STEERED

_EDITS: dict[nn.Module, tuple[Batch, int, Sequence[Steering], Point]] = {}
"""Attention block -> who edits it, while a run is attached."""


def watch(batch: Batch, module: nn.Module, layer: int, methods: Sequence[Steering], point: Point) -> None:
    _EDITS[module] = (batch, layer, methods, point)


def unwatch(module: nn.Module) -> None:
    _EDITS.pop(module, None)


def steered_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention of query [B, H, Q, D] over key and value [B, Hk, K, D]; output [B, Q, H, D]."""

    def stock() -> Tensor:
        return attend(module, query, key, value, attention_mask, scaling, **kwargs)[0]

    if module not in _EDITS:
        return stock(), None
    batch, layer, methods, point = _EDITS[module]
    if kwargs.get("softcap") is not None or kwargs.get("s_aux") is not None:
        names = ", ".join(m.name for m in methods)
        raise UsageError(f"method={names} edits attention, but this model caps its scores or has sinks: not supported")
    sparse = batch.cache.layers[layer] if batch.cache is not None else None
    length, columns = query.shape[2], sparse.seen if sparse else key.shape[2]
    batch.guard.attended(point, columns, batch.total, attention_mask, batch.view.window is not None)
    first = max(0, length - max(_rows(m, length) for m in methods))
    rows = batch.rows("all" if any(m.scope == "all" for m in methods) else "main")
    batch.columns, batch.where = columns, query.device
    if sparse and key.shape[2] < columns:
        return _from_sparse(sparse, query, key, value, attention_mask, scaling, layer, methods, batch), None

    q, k, v = query[rows, :, first:], key[rows], value[rows]
    batch.keys, batch.values = k, v
    scores = _grouped(q, k.transpose(2, 3)) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    scores, edited = _chain(scores, "attention_logits", layer, methods, batch)
    mask = _mask(attention_mask, rows, first, length, columns, query.device)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min) if mask.dtype == torch.bool else scores + mask
    weights = F.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    weights, edited_after = _chain(weights, "attention_weights", layer, methods, batch)
    batch.keys = batch.values = None
    if sparse:
        _drop(sparse, layer, methods, batch)
    if not (edited or edited_after):
        return stock(), None
    new = _grouped(weights, v).transpose(1, 2)
    if first == 0 and len(q) == len(query):
        return new.contiguous(), None
    out = stock().clone()
    out[rows, first:] = new
    return out, None


def _rows(method: Steering, length: int) -> int:
    """How many of `length` query rows, counted from the last, a method's attention points see."""
    return length if method.attention_rows == "all" else min(length, method.attention_rows)


def _from_sparse(
    sparse: Sparse,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    layer: int,
    methods: Sequence[Steering],
    batch: Batch,
) -> Tensor:
    """Attention of one new row over a cache from which entries are gone; output [B, 1, H, D]."""
    scores = _grouped(query, key.transpose(2, 3)) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    scores = scores.masked_fill(~sparse.mask(mask, query.shape[1]), torch.finfo(scores.dtype).min)
    weights = F.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    _chain(sparse.spread(weights), "attention_weights", layer, methods, batch)
    out = _grouped(weights, value).transpose(1, 2).contiguous()
    _drop(sparse, layer, methods, batch)
    return out


def _drop(sparse: Sparse, layer: int, methods: Sequence[Steering], batch: Batch) -> None:
    for method in methods:
        if method.drops and (kept := method.stays(layer, batch)) is not None:
            sparse.drop(kept)


def _grouped(left: Tensor, right: Tensor) -> Tensor:
    """[b, H, R, x] @ [b, Hk, x, y] without repeating keys or values: the H / Hk heads of a group are stacked rows."""
    b, heads, rows, size = left.shape
    groups = right.shape[1]
    return (left.reshape(b, groups, heads // groups * rows, size) @ right).reshape(b, heads, rows, right.shape[-1])


def _mask(given: Tensor | None, rows: slice, first: int, length: int, columns: int, device: Any) -> Tensor | None:
    """The mask of the edited rows. Without padding none is given, and causality is left to the kernel."""
    if given is not None:
        given = given[rows] if given.shape[0] > 1 else given
        return given[:, :, first:, :columns]
    if length == 1:
        return None
    last = torch.arange(first, length, device=device) + columns - length
    return (torch.arange(columns, device=device) <= last[:, None])[None, None]


def _chain(x: Tensor, point: str, layer: int, methods: Sequence[Steering], batch: Batch) -> tuple[Tensor, bool]:
    """Pass x through one point of each method in turn, each seeing its own rows of the batch and of the queries."""
    edited = False
    for method in methods:
        if not method.has(point):
            continue
        own = batch.rows(method.scope)
        count = _rows(method, x.shape[2])
        given = x[own, :, -count:]
        new = getattr(method, point)(layer, given, batch)
        if new is None:
            continue
        edited, new = True, returned(method, point, new, given)
        if new.shape == x.shape:
            x = new
        else:
            x = x.clone()
            x[own, :, -count:] = new
    return x, edited


AttentionInterface.register(STEERED, steered_attention)
AttentionMaskInterface.register(STEERED, sdpa_mask)  # without it padded batches silently lose their mask

"""Attention to keys and values of rows that begin alike: each beginning is read once for all of its rows, apart from
what each row has of its own, and both count by the sums of their weights (cascade attention; Hydragen, Juravsky et al.
2024, section 3).

For one new token, torch's kernel on a CPU reads every row's keys from memory and does little with them. Outputs differ
by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_map

from harness.steering.kernels import NEAR, near, plain


class Cascade(Tensor):
    """Keys or values [rows, heads, tokens, size] of rows that begin alike: for `scaled_dot_product_attention` they stay
    as they are, for everything else that reads a number they are spread out over the rows, once.

    Attributes:
        beginnings: The different ones [1, heads, P, size].
        groups: The rows [n] that have each, on their device.
        tail: What follows them in each row [rows, heads, T, size].
        room: Memory of a shape, to spread them out in.
    """

    beginnings: Sequence[Tensor]
    groups: Sequence[Tensor]
    tail: Tensor
    room: Callable[[tuple[int, ...]], Tensor]
    _spread: Tensor | None

    @staticmethod
    def of(
        beginnings: Sequence[Tensor],
        groups: Sequence[Tensor],
        tail: Tensor,
        room: Callable[[tuple[int, ...]], Tensor],
    ) -> Cascade:
        rows, heads, length, size = tail.shape
        shape = rows, heads, beginnings[0].shape[2] + length, size
        made = Tensor._make_subclass(Cascade, tail.new_empty(()).expand(shape))
        vars(made).update(beginnings=beginnings, groups=groups, tail=tail, room=room, _spread=None)
        return made

    def spread(self) -> Tensor:
        """All rows, each with its beginning."""
        own = vars(self)
        if own["_spread"] is None:
            own["_spread"] = fill(self.room(tuple(self.shape)), self.beginnings, self.groups, self.tail)
        return own["_spread"]

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in SHAPES:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **given)
        if func is F.scaled_dot_product_attention and (out := attended(*args, **given)) is not None:
            return out
        args, given = tree_map(lambda x: x.spread() if isinstance(x, Cascade) else x, (args, given))
        return func(*args, **given)


def fill(out: Tensor, beginnings: Sequence[Tensor], groups: Sequence[Tensor], tail: Tensor | None) -> Tensor:
    """Write each row's beginning and what follows it into the first columns of `out` [rows, heads, columns, size]."""
    length = beginnings[0].shape[2]
    for beginning, rows in zip(beginnings, groups, strict=True):
        for row in rows.tolist():  # faster than with an index
            out[row, :, :length] = beginning[0]
    if tail is not None:
        out[:, :, length : length + tail.shape[2]] = tail
    return out


_GETTERS: Any = [Tensor.shape, Tensor.dtype, Tensor.device, Tensor.ndim, Tensor.requires_grad, Tensor.is_cuda]
SHAPES = {getter.__get__ for getter in _GETTERS} | {Tensor.size, Tensor.dim, Tensor.is_floating_point, Tensor.numel}
"""What asks for no number."""


def attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """`scaled_dot_product_attention` [B, H, Q, D], by its arguments; None where they ask for something else."""
    if (
        not (isinstance(key, Cascade) and isinstance(value, Cascade))
        or dropout_p
        or is_causal
        or not plain(query, key, value)
        or key.shape != value.shape
        or not (enable_gqa or query.shape[1] == key.shape[1])
        or not agrees(query.shape[1], key.shape[1], query.shape[3], query.dtype)
    ):
        return None
    seen = _seen(query, key, attn_mask)
    return None if seen is None else _read(query, key, value, *seen, scale)


def _seen(query: Tensor, key: Cascade, mask: Tensor | None) -> tuple[list[int], Tensor | None] | None:
    """The first column of each beginning that its rows see, and what each row sees of its tail (None: all); None where
    rows of one beginning see different parts of it."""
    rows, _, count, _ = query.shape
    length = key.beginnings[0].shape[2]
    if mask is None:
        return ([0] * len(key.groups), None) if count == 1 else None
    if mask.dtype != torch.bool or mask.shape[-3:] != (1, count, key.shape[2]) or mask.shape[0] not in (1, rows):
        return None
    starts, front, back = [0] * len(key.groups), mask[..., :length], mask[..., length:]
    if not bool(front.all()):
        front = front.expand(rows, 1, count, length)
        for number, group in enumerate(key.groups):
            some = front[group].reshape(-1, length)
            starts[number] = int(some[0].int().argmax())
            if not torch.equal(some, some[:1].expand_as(some)) or not bool(some[0, starts[number] :].all()):
                return None
    return starts, None if bool(back.all()) else back


def _read(
    query: Tensor,
    key: Cascade,
    value: Cascade,
    starts: Sequence[int],
    seen: Tensor | None,
    scale: float | None,
) -> Tensor:
    _, heads, count, size = query.shape
    bias = None
    if seen is not None:  # a number, not minus infinity: rows of padding see nothing of their own
        bias = torch.zeros(seen.shape, dtype=query.dtype).masked_fill_(~seen, torch.finfo(query.dtype).min)
    own, weight = _kernel(query, key.tail, value.tail, bias, scale)
    for start, group, k, v in zip(starts, key.groups, key.beginnings, value.beginnings, strict=True):
        stacked = query[group].transpose(0, 1).reshape(1, heads, len(group) * count, size)
        read, of = _kernel(stacked, k[:, :, start:], v[:, :, start:], None, scale)
        read = read.view(heads, len(group), count, size).transpose(0, 1)
        share = torch.sigmoid(of.view(heads, len(group), count).transpose(0, 1) - weight[group])[..., None]
        own[group] = torch.lerp(own[group].float(), read.float(), share).to(own.dtype)
    return own


def _kernel(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float | None
) -> tuple[Tensor, Tensor]:
    """Output [B, H, Q, D], and the logarithm of the sum of each row's weights [B, H, Q] in float32."""
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, attn_mask=bias, scale=scale)


@cache
def agrees(heads: int, groups: int, size: int, dtype: torch.dtype) -> bool:
    """Whether this torch's kernel does what is relied on here, heads that share keys included: tried on a few rows.
    False for dtypes whose rounding is not known."""
    if dtype not in NEAR:
        return False
    draw = torch.Generator().manual_seed(0)
    query, *rest = (
        torch.randn(*shape, size, generator=draw).to(dtype)
        for shape in ((3, heads, 2), (2, groups, 5), (2, groups, 5), (3, groups, 3), (3, groups, 3))
    )
    beginnings, tails, of = rest[:2], rest[2:], torch.tensor([1, 0, 1])
    parts = [(of == number).nonzero().flatten() for number in range(2)]
    key, value = (Cascade.of(b.split(1), parts, t, t.new_empty) for b, t in zip(beginnings, tails, strict=True))
    mask = torch.ones(3, 1, 2, 8, dtype=torch.bool).tril(6)
    mask[1, :, :, 5] = False
    grouped = heads != groups
    wanted = F.scaled_dot_product_attention(query, key.spread(), value.spread(), attn_mask=mask, enable_gqa=grouped)
    try:
        seen = _seen(query, key, mask)
        assert seen is not None
        found = _read(query, key, value, *seen, None)
    except (AttributeError, RuntimeError, TypeError, ValueError):  # no such kernel, or another one
        return False
    return near(found, wanted)

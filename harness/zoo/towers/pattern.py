"""What every pattern of a tower keeps to, and how one is found by its name."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.core.errors import UsageError, first_line, nearest

BUILT_IN = "harness.zoo.towers.patterns"


class Pattern(nn.Module):
    """x [B, 1 + side x side, D], the class token and then patches in raster order -> the same shape.

    The class token sees all and is seen by all. `__init__` takes the width, the number of heads, the side of the grid,
    and options with defaults.
    """

    def __init__(self, width: int, heads: int, side: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.heads, self.side = heads, side
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.o_proj(self.attend(q, k, v, x).transpose(1, 2).flatten(2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        """[B, H, 1 + N, d] of queries, keys and values of that shape; `x` is what they were made of."""
        return F.scaled_dot_product_attention(q, k, v, attn_mask=self.seen(q, k))

    def seen(self, q: Tensor, k: Tensor) -> Tensor | None:
        """Which keys each query sees, bool [1 + N, 1 + N], or [B, 1, 1 + N, 1 + N] where they depend on the picture."""
        return None

    def keys(self) -> float:
        """Keys that a query sees, the class token among them, as a mean over queries."""
        return float(1 + self.side**2)


class Masked(Pattern):
    """A pattern that positions alone decide: `mask` is bool [N, N] over the patches."""

    mask: Tensor

    def __init__(self, width: int, heads: int, side: int, mask: Tensor):
        super().__init__(width, heads, side)
        self.register_buffer("mask", with_class(mask), persistent=False)

    def seen(self, q: Tensor, k: Tensor) -> Tensor:
        return self.mask

    def keys(self) -> float:
        return float(self.mask.sum(-1).double().mean())


def with_class(mask: Tensor) -> Tensor:
    """[..., N, N] over patches -> [..., 1 + N, 1 + N] with a class token in front that sees and is seen by all."""
    return F.pad(mask, (1, 0, 1, 0), value=True)


def square(rule: Tensor) -> Tensor:
    """The same rule [n, n] for rows and for columns: [n * n, n * n] over a grid in raster order."""
    n = len(rule)
    return (rule[:, None, :, None] & rule[None, :, None, :]).reshape(n * n, n * n)


def blocks(side: int, length: int) -> Tensor:
    """[side, side] along an axis: whether two positions lie in one block of `length`. Raises ValueError."""
    if length < 1 or side % length:
        raise ValueError(f"a window of {length} does not divide the {side} patches of a side")
    at = torch.arange(side) // length
    return at == at[:, None]


def known() -> list[str]:
    """Names of the patterns."""
    return sorted(p.stem for p in (Path(__file__).parent / "patterns").glob("[a-z]*.py"))


def module_of(name: str) -> str:
    """The module that holds a pattern. Raises UsageError with the nearest names."""
    if name not in known():
        raise UsageError(f"unknown pattern of a tower: {name}: {nearest(name, known())}")
    return f"{BUILT_IN}.{name}"


def make(name: str, width: int, heads: int, side: int, options: dict[str, Any]) -> Pattern:
    """Raises UsageError for an unknown pattern, an option that it does not take, or a value that it refuses."""
    module = module_of(name)
    loaded = vars(importlib.import_module(module)).values()
    (cls,) = (c for c in loaded if isinstance(c, type) and issubclass(c, Pattern) and c.__module__ == module)
    own = [k for k in inspect.signature(cls).parameters if k not in ("width", "heads", "side")]
    for key in options:
        if key not in own:
            raise UsageError(f"unknown option of {name}: {key}: {nearest(key, own) if own else 'it has none'}")
    try:
        return cls(width, heads, side, **options)
    except (TypeError, ValueError) as e:
        raise UsageError(f"{name} refuses its options: {first_line(e)}") from e

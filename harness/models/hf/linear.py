"""Linear layers on weights that oneDNN has packed: float32 on AMD is twice as fast as MKL on plain ones.

A layer keeps its plain weight: what reads, changes, moves or saves it finds what it would find otherwise, and the
packed copy is made again once the plain one has changed. Hooks see the same calls. Outputs differ by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.steering.kernels import plain
from harness.steering.onednn import linear

Least = Mapping[str, int | None]
"""Shape of a layer -> rows from which it reads packed weights; None: never."""


class PackedLinear(nn.Linear):
    """Reads packed weights for inputs of at least `least` rows, outside training."""

    least: int
    _packed: tuple[Tensor, tuple[Any, ...], Tensor] | None = None
    """The packed weight, the state of the plain one that it was made of, and that one's numbers, which are held so that
    no others get their address."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the name of the base class
        weight = self.weight
        if (
            input.numel() < self.least * self.in_features
            or input.dim() < 2
            or not plain(input, weight)
            or weight.is_inference()
        ):
            return F.linear(input, weight, self.bias)
        state = weight.data_ptr(), weight._version, weight.dtype  # counts changes in place
        if self._packed is None or self._packed[1] != state:
            self._packed = pack(weight), state, weight.detach()
        return linear(input, self._packed[0], self.bias)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> PackedLinear:
        self._packed = None  # a move frees memory
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles pack again."""
        return {**self.__dict__, "_packed": None}


def available() -> bool:
    """Whether this build of torch has oneDNN and its packed linear layers."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


def exchange(model: nn.Module, least: Least) -> None:
    """Let the layers of these shapes read packed weights."""
    for layer in layers(model):
        if rows := least.get(shape(layer)):
            layer.__class__ = PackedLinear
            layer.__dict__["least"] = rows


def is_packed(model: nn.Module) -> bool:
    """Whether any layer reads packed weights."""
    return any(isinstance(m, PackedLinear) for m in model.modules())


def layers(model: nn.Module) -> list[nn.Linear]:
    """Those that can be packed: of no class of their own, which may compute something else."""
    plain = [m for m in model.modules() if type(m) is nn.Linear]
    return [m for m in plain if m.weight.device.type == "cpu" and m.weight.dtype in (torch.float32, torch.bfloat16)]


def shape(layer: nn.Linear) -> str:
    """In, out, dtype and whether there is a bias: layers of one shape take the same time."""
    dtype = str(layer.weight.dtype).removeprefix("torch.")
    return f"{layer.in_features} x {layer.out_features} {dtype}{'' if layer.bias is None else ' + bias'}"


def pack(weight: Tensor) -> Tensor:
    """A copy [out, in] in oneDNN's own layout, for any number of rows."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)  # as torch.compile packs

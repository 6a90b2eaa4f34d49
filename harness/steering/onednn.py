"""oneDNN's matrix products, which torch keeps for its compiler."""

from __future__ import annotations

import torch
from torch import Tensor


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear` [..., in] -> [..., out] with a weight [out, in], plain or packed (`harness.models.hf.linear`)."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

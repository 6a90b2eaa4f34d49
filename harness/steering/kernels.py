"""What takes the place of one of torch's kernels on a CPU: for which tensors it may, and whether it gives the same."""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 5e-3}
"""By dtype, the largest difference as a share of the largest output: rounding gives a tenth of it."""


def plain(*tensors: Tensor) -> bool:
    """Whether tensors of one dtype lie on a CPU, and nothing is asked of them but their numbers."""
    first = tensors[0]
    return (
        all(x.device.type == "cpu" and x.dtype == first.dtype for x in tensors)
        and not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))
        and not torch.is_autocast_enabled("cpu")
    )


def near(found: Tensor, wanted: Tensor) -> bool:
    """Whether outputs of the same dtype differ by rounding alone."""
    found, wanted, most = found.float(), wanted.float(), NEAR[wanted.dtype]
    return found.shape == wanted.shape and float((found - wanted).abs().max()) <= most * float(wanted.abs().max())

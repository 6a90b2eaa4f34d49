"""What a method's point returned, checked before it takes the place of what the point was given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.core.errors import UsageError


def returned(method: Any, point: str, new: Any, like: Tensor, free: int | None = None) -> Tensor:
    """`new` in the dtype of `like`; anything but a tensor of its shape would be broadcast, or fail far from the method.

    `free`: a dimension that may have another length. Raises UsageError.
    """
    wanted = f"return a tensor of shape {tuple(like.shape)}, or None to change nothing"
    if not torch.is_tensor(new):
        raise UsageError(f"method={method.name}: `{point}` returned an object of type {type(new).__name__}: {wanted}")
    lengths = [None if i == free else n for i, n in enumerate(like.shape)]
    if len(new.shape) != len(lengths) or any(b not in (a, None) for a, b in zip(new.shape, lengths, strict=True)):
        raise UsageError(f"method={method.name}: `{point}` returned a tensor of shape {tuple(new.shape)}: {wanted}")
    return new.to(like.dtype)

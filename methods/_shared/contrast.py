"""What contrastive decoders share."""

from __future__ import annotations

import math
import zlib

import torch
from torch import Tensor

from harness.core.errors import UsageError


def plausible(z: Tensor, clean: Tensor, beta: float) -> Tensor:
    """z [b, V] without tokens whose clean logit is below log(beta) + the clean maximum. beta 0 cuts nothing."""
    if beta == 0:
        return z
    return z.masked_fill(clean < clean.max(-1, keepdim=True).values + math.log(beta), -torch.inf)


def drawn_for(pixels: Tensor, seed: int) -> torch.Generator:
    """A generator that depends on the picture and the seed alone: all questions about a picture see the same noise."""
    content = zlib.crc32(pixels.detach().cpu().float().contiguous().numpy().tobytes(), zlib.crc32(str(seed).encode()))
    return torch.Generator().manual_seed(content)


def check_share(name: str, value: float) -> None:
    """Raises UsageError unless 0 <= value <= 1."""
    if not 0 <= value <= 1:
        raise UsageError(f"{name}={value} must lie in [0, 1]")

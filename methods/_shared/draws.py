"""Draws that belong to a prompt: the same ones wherever the prompt stands in a run."""

from __future__ import annotations

import torch
from torch import Tensor


def drawing(ids: Tensor) -> torch.Generator:
    """A generator on the CPU, seeded by the tokens of a prompt [t] and their order."""
    return torch.Generator().manual_seed(int((ids * torch.arange(1, len(ids) + 1)).sum()) % 2**31)

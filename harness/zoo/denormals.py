"""Numbers too small for float32's full precision: slow on a CPU, and zero here while models of the zoo compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed() -> Iterator[None]:
    """Denormal numbers are zero inside, without which decaying states make a CPU ten times as slow. What the process
    does elsewhere is left as it was."""
    before = (torch.tensor([1e-40]) * 1).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)

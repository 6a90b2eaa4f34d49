"""Memory of a run: its peak (of the GPU where one is used, else of the process), and what the collector may skip."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def start() -> None:
    """Forget earlier peaks, so that a run in a sweep is charged for itself alone."""
    if _gpu():
        import torch

        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):  # not Linux, or a sandbox: then the peak is that of the whole process
        _CLEAR.write_text("5")


def peak() -> int | None:
    """Bytes since `start`; None where the system does not tell."""
    if _gpu():
        import torch

        return sum(torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count()))
    with contextlib.suppress(OSError, StopIteration):
        line = next(s for s in _STATUS.read_text().splitlines() if s.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """The garbage collector leaves alone what lives now: libraries, model and samples hold some million objects, and to
    walk them again and again takes a few per cent of a small model's run."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _gpu() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()

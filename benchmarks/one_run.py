"""One run of harness eval in a process of its own: its folder, and what the operating system says that it took."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ONE_THREAD = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def played(results: Path, words: Sequence[str], **environment: str) -> tuple[Path, float, float]:
    """The run's folder, MiB of the process at its peak, CPU seconds. `results`: holds no run yet."""
    command = [sys.executable, "-m", "harness", "eval", *words, f"results={results}", "logger=quiet"]
    child = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"harness eval failed: {' '.join(words)}")
    (folder,) = results.glob("runs/*")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return folder, used.ru_maxrss / unit, used.ru_utime + used.ru_stime

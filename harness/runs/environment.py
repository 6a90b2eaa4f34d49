"""What a run ran on: packages, hardware, the git commit of the working directory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "harness",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "numpy",
    "pillow",
    "duckdb",
    "hydra-core",
)


@cache
def environment() -> dict[str, Any]:
    """Facts that a reader needs to reproduce or to doubt a number. Never imports torch by itself."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "hardware": hardware(),
        "git": git(),
    }


def hardware() -> dict[str, Any]:
    gpus: list[str] = []
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"cpu": _cpu(), "cores": _cores(), "memory_gib": _memory(), "gpu": gpus}


def git() -> dict[str, Any] | None:
    """Commit and whether the tree was changed, of the directory the command ran in; None outside a checkout."""
    commit = _run("git", "rev-parse", "HEAD")
    if not commit:
        return None
    committed = _run("git", "show", "--no-patch", "--format=%cI", "HEAD")
    return {
        "commit": commit,
        "committed": committed,
        "dirty": bool(_run("git", "status", "--porcelain", "--untracked-files=no")),
    }


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None

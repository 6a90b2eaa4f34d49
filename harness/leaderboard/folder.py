"""A folder that is made beside the one that it replaces: readers find the old site or the new one, at every moment."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = ".harness-site"
"""Lies in a folder that a build made, so that the next one may replace it."""
LOCK = ".harness-building"
"""Held by the process that makes a folder."""
AT_FDCWD, EXCHANGE = -100, 2
"""Of Linux's renameat2."""


@contextmanager
def fresh(out: Path) -> Iterator[Path]:
    """An empty folder beside `out`, put in its place where the block ends well, and removed where it does not. What
    killed builds left is removed first."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _sweep(out)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        with (made / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield made
            made.chmod(0o755)
            (made / LOCK).unlink()
            _swap(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)  # the old one, or what came of a fault


def _sweep(out: Path) -> None:
    """Remove unfinished and replaced folders whose process is gone."""
    for left in out.parent.glob(f".{out.name}-*"):
        if not ((left / LOCK).exists() or (left / MARK).exists()):
            continue
        try:
            with (left / LOCK).open("r" if (left / LOCK).exists() else "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # someone is at work there
            continue
        shutil.rmtree(left, ignore_errors=True)


def _swap(made: Path, out: Path) -> None:
    """`made` takes the place of `out`, which is `made` afterwards, in one step where the system can do that."""
    if not out.exists():
        made.replace(out)
    elif not _exchanged(made, out):
        old = made.with_name(f"{made.name}-old")
        out.replace(old)
        made.replace(out)
        old.replace(made)


def _exchanged(a: Path, b: Path) -> bool:
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return rename(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), EXCHANGE) == 0

"""W&B's offline files. Its service writes them on its own time, at times after `finish` has returned."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def data(wanted: Callable[[bytes], bool], folder: Path = Path("wandb")) -> bytes:
    """The bytes of the one offline run, as soon as they are what is wanted; of after 30 seconds in any case."""
    (path,) = folder.glob("offline-run-*/run-*.wandb")
    until = time.monotonic() + 30
    while not wanted(found := path.read_bytes()) and time.monotonic() < until:
        time.sleep(0.05)
    return found

"""The SHA-256 of a file's bytes, remembered between processes: large pictures and weights are read once.

A file is known by its path, size, inode and times; the time of its last change (ctime) cannot be set back by a
program that redraws it. A file that changed just before it was read is read again the next time: within one tick of
the file system's clock it could change once more and look the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

TICK = 2 * 10**9
"""Nanoseconds: the coarsest clock of a file system (FAT) ticks every two seconds."""


def left_behind(path: Path, root: Path) -> bool:
    """Whether a file below a folder is hidden, in a hidden folder, or a copy that notebooks and other programs leave
    there (`.ipynb_checkpoints/`, `._name`, `__MACOSX/`)."""
    parts = path.relative_to(root).parts
    return any(p.startswith(".") or p == "__MACOSX" for p in parts) or path.stem.endswith("-checkpoint")


def cache_folder() -> Path:
    """$HARNESS_CACHE, or harness in the user's cache folder."""
    if own := os.environ.get("HARNESS_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness"


class Digests:
    """Digests of files, kept in one JSON file for each folder of theirs. Several processes may write at once: the last
    one wins, and what it does not know is read again."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        self._fresh: set[str] = set()

    def of(self, path: Path) -> str:
        """Hex SHA-256. Raises OSError where the file cannot be read."""
        folder, name = str(Path(path).absolute().parent), Path(path).name
        known = self._known.get(folder)
        if known is None:
            known = self._known[folder] = _load(folder)
        now = time.time_ns()
        state = stamp(path)
        if known.get(name, [None])[:-1] == state:
            return known[name][-1]
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if now - state[2] > TICK and stamp(path) == state:
            known[name] = [*state, digest]
            self._fresh.add(folder)
        return digest

    def save(self) -> None:
        """Keep what was read for the next process. A folder that cannot be written only costs time."""
        for folder in self._fresh:
            file = _file(folder)
            merged = {"folder": folder, "files": _load(folder) | self._known[folder]}
            with contextlib.suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True)
                fresh = file.with_name(f".{file.name}.{os.getpid()}")
                fresh.write_text(json.dumps(merged), encoding="utf-8", errors="surrogateescape")
                fresh.replace(file)
        self._fresh.clear()


DIGESTS = Digests()
"""Digests that this process remembers."""


def stamp(path: Path) -> list[int]:
    """size, mtime, ctime, inode."""
    s = Path(path).stat()
    return [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino]


def _file(folder: str) -> Path:
    name = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_folder() / "digests" / f"{name}.json"


def _load(folder: str) -> dict[str, Any]:
    """Entries of one folder; none where the file is not there or not whole."""
    try:
        made = json.loads(_file(folder).read_text(encoding="utf-8", errors="surrogateescape"))
        if made["folder"] == folder:
            return {name: entry for name, entry in made["files"].items() if len(entry) == 5}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}

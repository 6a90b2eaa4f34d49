"""What was read of modules' texts, remembered between processes: to parse a hundred modules takes a third of a second.

An entry is found by the text itself and by the code that reads it, so that nothing in it can be out of date.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from harness.core.files import cache_folder

MOST = 4000
"""Entries that are kept, the newest."""


class Remembered:
    """Entries that JSON can hold, by their keys. Several processes may write at once: the last one wins."""

    def __init__(self, reader: Path):
        """`reader`: the file of the code that makes entries."""
        made = hashlib.sha256(reader.read_bytes() + repr(sys.version_info[:2]).encode())
        self._name = f"{made.hexdigest()[:32]}.json"
        self._known: dict[str, Any] | None = None
        self._fresh: dict[str, Any] = {}

    @staticmethod
    def key(text: bytes, package: str) -> str:
        return hashlib.sha256(package.encode() + b"\0" + text).hexdigest()[:40]

    def get(self, key: str) -> Any:
        """The entry, or None."""
        if self._known is None:
            self._known = self._load()
        return self._fresh.get(key, self._known.get(key))

    def put(self, key: str, entry: Any) -> None:
        self._fresh[key] = entry

    def save(self) -> None:
        """Keep what is new for the next process. A folder that cannot be written only costs time."""
        if not self._fresh:
            return
        self._known = self._load() | self._fresh
        self._fresh = {}
        kept = dict(list(self._known.items())[-MOST:])
        path = self._path
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            fresh.write_text(json.dumps(kept), encoding="utf-8")
            fresh.replace(path)

    @property
    def _path(self) -> Path:
        return cache_folder() / "sources" / self._name

    def _load(self) -> dict[str, Any]:
        try:
            made = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return made if isinstance(made, dict) else {}

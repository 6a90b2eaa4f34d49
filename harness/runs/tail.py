"""A journal that is read while another process appends to it: each call reads what is new. Nothing is written."""

from __future__ import annotations

from pathlib import Path

from harness.core.types import Result
from harness.runs import journal

CHUNK = 32 * 2**20
"""Bytes that are read at once."""


class Tail:
    """The sound rows of a journal so far. A torn last line is left until it is whole; a journal that was written again
    is read from its beginning."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: dict[str, Result] = {}
        """By id, in the order in which they came; of a sample that was asked again, the newest."""
        self.faults = 0
        """Damaged lines."""
        self.lines = 0
        """Lines read so far, damaged ones too."""
        self.changed = 0.0
        """When the file last changed, seconds since 1970; 0 where it is not there."""
        self._at, self._inode = 0, -1

    def look(self) -> None:
        """When it last changed, and nothing more."""
        try:
            self.changed = self.path.stat().st_mtime
        except OSError:
            self.changed = 0.0

    def read(self) -> list[Result]:
        """The rows that are new since the last call; of a long file a part: call it until there are none."""
        try:
            with self.path.open("rb") as file:
                state = self.path.stat()
                if state.st_ino != self._inode or state.st_size < self._at:
                    self.rows, self.faults, self.lines, self._at, self._inode = {}, 0, 0, 0, state.st_ino
                self.changed = state.st_mtime
                file.seek(self._at)
                return self._take(file.read(CHUNK))
        except OSError:
            return []

    def _take(self, data: bytes) -> list[Result]:
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) == CHUNK:
            whole = data  # one line longer than that: not a row of ours
        self._at += len(whole)
        found = []
        for line in whole.splitlines():
            if not line.strip():
                continue
            self.lines += 1
            row = journal.decoded(line + b"\n")
            if row is None:
                self.faults += 1
            else:
                self.rows.pop(row.id, None)
                self.rows[row.id] = row
                found.append(row)
        return found

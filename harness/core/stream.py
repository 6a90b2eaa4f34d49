"""A column of numbers whose earlier blocks lie on the disk: a run of any length holds one block of it in memory."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.marks import mark

BLOCK = 65_536
"""Numbers of a block."""


class Stream:
    """Numbers of one kind, one a row.

    Args:
        code: Their kind, as in `array`.
        folder: Where a file without a name takes the full blocks; None: where temporary files go.
    """

    def __init__(self, code: str, folder: Path | None = None):
        self.code, self.folder = code, folder
        self._tail = array(code)
        self._full = 0
        self._file: Any = None
        self._last: tuple[int, NDArray[Any]] | None = None

    def append(self, value: float) -> None:
        """One more row; a full block goes to the file."""
        self._tail.append(value)
        if len(self._tail) >= BLOCK:
            self._write(self._tail.tobytes())
            self._tail = array(self.code)

    def extend(self, values: NDArray[Any]) -> None:
        """One after the other."""
        for start in range(0, len(values), BLOCK):
            self._tail.frombytes(np.ascontiguousarray(values[start : start + BLOCK], dtype=self.code).tobytes())
            while len(self._tail) >= BLOCK:
                self._write(self._tail[:BLOCK].tobytes())
                self._tail = self._tail[BLOCK:]

    def _write(self, block: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        self._file.seek(self._full * len(block))
        for start in range(0, len(block), 2**16):  # a write may take a part
            part = memoryview(block)[start : start + 2**16]
            while len(part):
                part = part[self._file.write(part) :]
        self._full += 1

    def __len__(self) -> int:
        return self._full * BLOCK + len(self._tail)

    def __getitem__(self, row: int) -> Any:
        return self.block(row // BLOCK)[row % BLOCK].item()

    @property
    def count(self) -> int:
        """Blocks, of which the last one may be short."""
        return self._full + bool(self._tail)

    def block(self, number: int) -> NDArray[Any]:
        """The numbers from row `number` times `BLOCK` on."""
        if number >= self._full:
            return np.array(self._tail, dtype=self.code)
        if self._last is None or self._last[0] != number:
            size = BLOCK * self._tail.itemsize
            self._file.seek(number * size)
            data = bytearray(size)
            held = 0
            while held < size:
                held += self._file.readinto(memoryview(data)[held:])
            self._last = number, np.frombuffer(data, dtype=self.code)
        return self._last[1]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Every block, one after the other."""
        for number in range(self.count):
            yield self.block(number)

    def take(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The numbers of these rows."""
        out = np.empty(len(rows), dtype=self.code)
        of = rows // BLOCK
        for number in np.unique(of).tolist():
            some = of == number
            out[some] = self.block(number)[rows[some] - number * BLOCK]
        return out


def marks(ids: Iterable[str]) -> Stream:
    """What stands for each id."""
    found = Stream("Q")
    for id_ in ids:
        found.append(mark(id_))
    return found


def repeated(values: Stream) -> set[int]:
    """Values that occur more than once: looked for among a part of all values at a time."""
    found: set[int] = set()
    parts = max(1, values.count)
    for part in range(parts):
        some = np.concatenate([block[block % parts == part] for block in values.blocks()] or [np.empty(0, np.uint64)])
        each, several = np.unique(some, return_counts=True)
        found.update(each[several > 1].tolist())
    return found

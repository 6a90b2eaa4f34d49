"""Readings of a run as arrays, gathered part by part: no more than one part of the file is in memory at once.

Arrays that are large lie in unnamed temporary files, which go with them.
"""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.readings import Reading
from harness.runs import readings as stored

if TYPE_CHECKING:
    import pyarrow as pa

FIXED = {"layer", "head", "unit"}
"""Axes whose lengths all samples of a run share: arrays over them have a mean."""
PICTURE = {"row", "column"}
"""Axes of maps: places of two pictures are not the same."""
STEP = ("step",)
STEPS = 200
"""Tokens of an answer, the first ones, of which curves over steps are gathered."""
SMALL = 1 << 20
"""Bytes of an array that is held in memory."""


@dataclass(frozen=True)
class Column:
    """One reading of a run.

    Args:
        name: `probe.reading`.
        read: The axes of the reading.
        axes: Of one sample's value: those of the reading, or none where its samples differ in shape (tokens): then the
            value is its mean.
        at: [n] the numbers of the samples that have it.
        values: [n, ...] float32; NaN where it is undefined, and after the last token of a shorter answer.
        within: The least and the largest that a value can be.
    """

    name: str
    read: tuple[str, ...]
    axes: tuple[str, ...]
    at: np.ndarray
    values: np.ndarray
    within: tuple[float, float]

    @property
    def probe(self) -> str:
        return self.name.partition(".")[0]

    @property
    def whole(self) -> bool:
        """Whether the values are all of the reading, not the means of what differs in shape."""
        return self.axes == self.read

    def first(self, count: int) -> Column:
        """Of the samples that are numbered below `count`."""
        some = self.at < count
        return self if some.all() else replace(self, at=self.at[some], values=self.values[some])


def aligned(a: Column, b: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The numbers of the samples that both have, and the values of each; None where they differ in shape, or share no
    sample."""
    if a.values.shape[1:] != b.values.shape[1:]:
        return None
    both, one, two = np.intersect1d(a.at, b.at, return_indices=True)
    return (both, a.values[one], b.values[two]) if len(both) else None


def columns(
    folder: Path, number: Mapping[str, int], map_: Callable[[int, str, Reading], None] | None = None
) -> list[Column]:
    """Every reading of a run but maps of pictures, in the order in which they first occur.

    `number`: of each sample that counts. `map_` is told of each map: the number of its sample, its name, itself.
    """
    import pyarrow.compute as pc

    found: dict[str, _Gathered] = {}
    with contextlib.ExitStack() as files:
        for table in _tables(folder):
            for name in dict.fromkeys(table.column("name").to_pylist()):
                if name == stored.BARE:
                    continue
                part = table.filter(pc.equal(table.column("name"), name))  # type: ignore[attr-defined]
                at = np.array([number.get(i, -1) for i in part.column("id").to_pylist()], np.int32)
                if PICTURE.isdisjoint(part.column("axes")[0].as_py()):
                    if name not in found:
                        found[name] = _Gathered(name, files)
                    found[name].take(part, at)
                elif map_:
                    for n, row in zip(at.tolist(), part.to_pylist(), strict=True):
                        if n >= 0:
                            map_(n, name, stored.reading(row))
        return [gathered.column() for gathered in found.values()]


def _tables(folder: Path) -> Iterator[pa.Table]:
    """What is stored, in parts; samples that the log of a running one has again are left out of the file's parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (folder / stored.LOG).exists():
        yield from map(stored.as_table, stored.parts(stored.rows(folder)))
    elif (folder / stored.FILE).exists():
        path = folder / stored.FILE
        with stored.whole(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=stored.ROWS):
                yield pa.Table.from_batches([batch])


class _Gathered:
    """A column on its way."""

    def __init__(self, name: str, files: contextlib.ExitStack):
        self.name, self.axes, self.shape = name, (), ()
        self.within = (-np.inf, np.inf)
        self.alike: bool | None = None
        """Whether all samples have arrays of one shape, over axes that have a mean."""
        self.longest = 0
        """Tokens, of curves over steps."""
        opened = [tempfile.SpooledTemporaryFile(SMALL) for _ in range(3)]  # noqa: SIM115  (the stack closes them)
        self.files = [files.enter_context(file) for file in opened]
        """Numbers of samples, one value of each, arrays. Few are open files: systems allow some hundred."""

    def take(self, part: pa.Table, at: np.ndarray) -> None:
        known = at >= 0
        axes, shapes = part.column("axes").combine_chunks(), part.column("shape").combine_chunks()
        if self.alike is None:
            self.axes, self.shape = tuple(axes[0].as_py()), tuple(shapes[0].as_py())
            self.within = stored.ends(part.slice(0, 1).to_pylist()[0])
            self.alike = set(self.axes) <= FIXED
        same = all((np.diff(np.asarray(x.offsets)) == len(self.shape)).all() for x in (axes, shapes))
        self.alike = self.alike and same and bool((_flat(shapes).reshape(len(at), -1) == self.shape).all())
        self._add(0, at[known])
        self._add(1, part.column("value").to_numpy().astype(np.float32)[known])
        if self.axes == STEP:
            self._add(2, self._padded(part.column("values").to_pylist())[known])
        elif self.alike and self.shape:
            values = _flat(part.column("values").combine_chunks()).reshape(len(at), *self.shape)
            self._add(2, values[known])

    def _padded(self, rows: Sequence[Sequence[float]]) -> np.ndarray:
        out = np.full((len(rows), STEPS), np.nan, np.float32)
        for one, row in zip(out, rows, strict=True):
            one[: len(row)] = row[:STEPS]
            self.longest = max(self.longest, min(len(row), STEPS))
        return out

    def _add(self, file: int, values: np.ndarray) -> None:
        self.files[file].write(np.ascontiguousarray(values).tobytes())

    def column(self) -> Column:
        at, numbers, arrays = (_held(f, kind) for f, kind in zip(self.files, ("i4", "f4", "f4"), strict=True))
        if self.axes == STEP:
            axes, values = STEP, arrays.reshape(len(at), STEPS)[:, : self.longest]
        elif self.alike and self.shape:
            axes, values = self.axes, arrays.reshape(len(at), *self.shape)
        else:
            axes, values = (), numbers
        return Column(self.name, self.axes, axes, at, values, self.within)


def _flat(lists: Any) -> np.ndarray:
    return lists.flatten().to_numpy(zero_copy_only=False)


def _held(file: tempfile.SpooledTemporaryFile[bytes], kind: str) -> np.ndarray:
    """What was written: in memory where that is little, else mapped, which outlives the file's name and its handle."""
    if file.tell() > SMALL:
        file.flush()
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), f"<{kind}")
    file.seek(0)
    return np.frombuffer(file.read(), f"<{kind}")

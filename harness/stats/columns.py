"""The results of a large run in columns: what metrics are made of. Everything else stays in the journal.

A million results as objects take gigabytes. The columns lie on the disk but for a block of each; `Columns` is a
sequence of rows that look like results, and a field that no column holds is read from the journal when it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from harness.core.marks import mark
from harness.core.stream import BLOCK, Stream
from harness.core.types import Outcome, Result

DISTINCT = 65_536
"""Different values of a column that are kept; where there are more, they are read from the journal."""


class Coded:
    """A column of values of which few are different: their numbers. `most`: different ones that are kept."""

    def __init__(self, most: int = DISTINCT, folder: Path | None = None):
        self.most = most
        self.values: list[Any] = []
        self._numbers: dict[tuple[type, Hashable], int] = {}
        self._codes = Stream("i", folder)

    def append(self, value: Any) -> None:
        """One more row."""
        self._codes.append(self._number(value))

    def number(self, row: int) -> int:
        """Of the row's value; below 0 where it is not kept."""
        return self._codes[row]

    def _number(self, value: Any) -> int:
        if not isinstance(value, str | int | float | tuple | None):  # who reads a list may change it
            return -1
        key = (type(value), value)
        found = self._numbers.get(key)
        if found is None:
            if len(self.values) >= self.most:
                return -1
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found


OF_RESULT = ("cluster", "group", "target", "finish", "measures")
OF_OUTCOME = ("verdict",)


class Columns(Sequence[Result]):
    """Rows in the order in which they were added, or as `rows` says.

    Args:
        read: The result whose line in the journal begins there.
        folder: Where files without a name take what does not fit into memory.
    """

    def __init__(self, read: Callable[[int], Result], folder: Path | None = None):
        self._read, self._folder = read, folder
        self._marks, self._places, self._clusters = (Stream(code, folder) for code in "QqQ")
        self._failed, self._lost = Stream("B", folder), 0
        self._coded = {n: Coded(DISTINCT, folder) for n in (*OF_RESULT, *OF_OUTCOME)}
        self._scores: dict[str, Stream] = {}
        self._last: tuple[int, Result] | None = None
        self._rows: Stream | None = None

    def add(self, results: Iterable[Result], places: Iterable[int]) -> None:
        """`places`: where their lines begin in the journal. Not for what `ordered` or `scored` returned."""
        for result, place in zip(results, places, strict=True):
            outcome, count = result.outcome, len(self._places)
            self._marks.append(mark(result.id))
            self._places.append(place)
            self._clusters.append(mark(f"{type(result.cluster).__name__} {result.cluster}"))
            self._failed.append(outcome is None)
            self._lost += outcome is None
            for name in OF_RESULT:
                self._coded[name].append(getattr(result, name))
            for name in OF_OUTCOME:
                self._coded[name].append(getattr(outcome, name, None))
            scores = outcome.scores if outcome else {}
            for name in scores:
                if name not in self._scores:
                    made = self._scores[name] = Stream("d", self._folder)
                    for start in range(0, count, BLOCK):
                        made.extend(np.full(min(BLOCK, count - start), math.nan))
            for name, column in self._scores.items():
                column.append(scores.get(name, math.nan))

    def marks(self) -> Stream:
        """What stands for the ids of all rows, in the order in which they were added."""
        return self._marks

    def ordered(self, marks: Stream) -> Columns:
        """The rows whose ids have these marks, in their order; others are left out. Marks are unique."""
        rows = Stream("q", self._folder)
        for number, wanted in enumerate(marks.blocks()):
            rows.extend(self._found(wanted, number))
        return self._view(rows)

    def _found(self, wanted: NDArray[np.uint64], near: int) -> NDArray[np.int64]:
        """The rows with these marks, in their order. `near`: the block in which they probably are."""
        order = np.argsort(wanted, kind="stable")
        known, rows, left = wanted[order], np.full(len(wanted), -1), len(wanted)
        for number in sorted(range(self._marks.count), key=lambda n: abs(n - near)):
            own = self._marks.block(number)
            at = np.minimum(np.searchsorted(known, own), len(known) - 1)
            hits = np.flatnonzero(known[at] == own)
            rows[order[at[hits]]] = number * BLOCK + hits
            left -= len(hits)
            if left <= 0:
                break
        return rows[rows >= 0]

    def scored(self) -> Columns:
        """The rows with an outcome."""
        if not self._lost:
            return self
        rows = Stream("q", self._folder)
        for some in self._parts():
            rows.extend(some[self._failed.take(some) == 0])
        return self._view(rows)

    def parts(self, *names: str) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.float64]]]:
        """Some rows after the other: what stands for the cluster of each, and these scores [rows, names], NaN where
        there is none. A part ends where a cluster ends, if a cluster's rows are side by side."""
        held = np.empty(0, np.int64)
        for some in self._parts():
            rows = np.concatenate([held, some])
            clusters = self._clusters.take(rows)
            last = np.flatnonzero(clusters[1:] != clusters[:-1])
            cut = last[-1] + 1 if len(last) else len(rows) if len(rows) > 16 * BLOCK else 0
            if cut:
                yield clusters[:cut], self._taken(rows[:cut], names)
            held = rows[cut:]
        if len(held):
            yield self._clusters.take(held), self._taken(held, names)

    def _taken(self, rows: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.float64]:
        blank = np.full(len(rows), math.nan)
        found = [self._scores[n].take(rows) if n in self._scores else blank for n in names]
        return np.stack(found, axis=1) if found else np.empty((len(rows), 0))

    def __len__(self) -> int:
        return len(self._places) if self._rows is None else len(self._rows)

    def __iter__(self) -> Iterator[Result]:
        for some in self._parts():
            for at in some.tolist():
                yield cast(Result, Row(self, at))

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | Sequence[Result]:
        at = range(len(self))[index]
        if isinstance(at, int):
            return cast(Result, Row(self, at if self._rows is None else self._rows[at]))
        rows = Stream("q", self._folder)
        rows.extend(np.array([at_ if self._rows is None else self._rows[at_] for at_ in at], dtype=np.int64))
        return self._view(rows)

    def whole(self, row: int) -> Result:
        """The result itself, from the journal."""
        if self._last is None or self._last[0] != row:
            self._last = row, self._read(self._places[row])
        return self._last[1]

    def failed(self, row: int) -> bool:
        return bool(self._lost and self._failed[row])

    def coded(self, name: str, row: int) -> Any:
        """A value of one of the coded columns."""
        column = self._coded[name]
        if (number := column.number(row)) >= 0:
            return column.values[number]
        whole = self.whole(row)
        return getattr(whole.outcome if name in OF_OUTCOME else whole, name)

    def scores(self, row: int) -> dict[str, float]:
        found = {name: column[row] for name, column in self._scores.items()}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def _parts(self) -> Iterator[NDArray[np.int64]]:
        """The numbers of the rows, a block at a time."""
        if self._rows is not None:
            yield from self._rows.blocks()
            return
        for start in range(0, len(self._places), BLOCK):
            yield np.arange(start, min(start + BLOCK, len(self._places)))

    def _view(self, rows: Stream) -> Columns:
        made = object.__new__(Columns)
        made.__dict__.update(self.__dict__)
        made._rows = rows
        return made


class Row:
    """Looks like the `Result` of a row."""

    __slots__ = ("_at", "_of")

    def __init__(self, of: Columns, at: int):
        self._of, self._at = of, at

    @property
    def outcome(self) -> Outcome | None:
        return None if self._of.failed(self._at) else cast(Outcome, Scored(self._of, self._at))

    @property
    def error(self) -> Any:
        return self._of.whole(self._at).error if self._of.failed(self._at) else None

    def __getattr__(self, name: str) -> Any:
        if name in OF_RESULT:
            return self._of.coded(name, self._at)
        return getattr(self._of.whole(self._at), name)


class Scored:
    """Looks like the `Outcome` of a row."""

    __slots__ = ("_at", "_of")

    def __init__(self, of: Columns, at: int):
        self._of, self._at = of, at

    @property
    def scores(self) -> dict[str, float]:
        return self._of.scores(self._at)

    def __getattr__(self, name: str) -> Any:
        if name in OF_OUTCOME:
            return self._of.coded(name, self._at)
        return getattr(self._of.whole(self._at).outcome, name)


def scored(results: Sequence[Result]) -> Sequence[Result]:
    """Those with an outcome."""
    return results.scored() if isinstance(results, Columns) else [r for r in results if r.outcome]

"""The results of a large run in columns: what metrics are made of. Everything else stays in the journal.

A million results as objects take gigabytes, as columns some tens of bytes each. `Columns` is a sequence of rows that
look like results; a field that no column holds is read from the journal when it is asked for.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from harness.core.marks import mark
from harness.core.types import Outcome, Result

DISTINCT = 65_536
"""Different values of a column that are kept; where there are more, they are read from the journal."""


class Coded:
    """A column of values of which few are different: their numbers. `most`: different ones that are kept."""

    def __init__(self, most: float = DISTINCT):
        self.most = most
        self.values: list[Any] = []
        self._numbers: dict[tuple[type, Hashable], int] = {}
        self._codes = array("i")

    def append(self, value: Any) -> None:
        self._codes.append(self._number(value))

    def number(self, row: int) -> int:
        """Of the row's value; below 0 where it is not kept."""
        return self._codes[row]

    def codes(self) -> NDArray[np.int32]:
        """The numbers of all rows."""
        return np.array(self._codes, dtype=np.int32)

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
ALWAYS = ("cluster", "group")
"""Kept however many there are."""


class Columns(Sequence[Result]):
    """Rows in the order in which they were added, or as `rows` says.

    Args:
        read: The result whose line in the journal begins there.
    """

    def __init__(self, read: Callable[[int], Result]):
        self._read = read
        self._marks = array("Q")
        self._places = array("q")
        self._failed = bytearray()
        self._coded = {n: Coded(math.inf if n in ALWAYS else DISTINCT) for n in (*OF_RESULT, *OF_OUTCOME)}
        self._scores: dict[str, array[float]] = {}
        self._last: tuple[int, Result] | None = None
        self._rows: NDArray[np.intp] | None = None

    def add(self, results: Iterable[Result], places: Iterable[int]) -> None:
        """`places`: where their lines begin in the journal. Not for what `ordered` or `scored` returned."""
        for result, place in zip(results, places, strict=True):
            outcome, count = result.outcome, len(self._places)
            self._marks.append(mark(result.id))
            self._places.append(place)
            self._failed.append(outcome is None)
            for name in OF_RESULT:
                self._coded[name].append(getattr(result, name))
            for name in OF_OUTCOME:
                self._coded[name].append(getattr(outcome, name, None))
            scores = outcome.scores if outcome else {}
            for name in scores:
                if name not in self._scores:
                    self._scores[name] = array("d", [math.nan]) * count
            for name, column in self._scores.items():
                column.append(scores.get(name, math.nan))

    def marks(self) -> NDArray[np.uint64]:
        """What stands for the ids of all rows, in the order in which they were added."""
        return np.array(self._marks, dtype=np.uint64)

    def ordered(self, marks: NDArray[np.uint64]) -> Columns:
        """The rows whose ids have these marks, in their order; others are left out. Marks are unique."""
        own = self.marks()
        by = np.argsort(own, kind="stable")
        at = np.minimum(np.searchsorted(own, marks, sorter=by), max(0, len(own) - 1))
        rows = by[at] if len(own) else np.empty(0, np.intp)
        return self._view(rows[own[rows] == marks[: len(rows)]])

    def scored(self) -> Columns:
        """The rows with an outcome."""
        return self._view(self._all()[~self._lost()])

    def lost(self) -> int:
        """Rows without an outcome."""
        return int(self._lost().sum())

    def column(self, name: str) -> NDArray[np.float64]:
        """A score of each row; NaN where it has none of this name."""
        found = self._scores.get(name)
        values = np.full(len(self._places), math.nan) if found is None else np.array(found)
        return values[self._all()]

    def clusters(self) -> NDArray[np.int32]:
        """A number for each row's cluster: equal for equal ones."""
        return self._coded["cluster"].codes()[self._all()]

    def __len__(self) -> int:
        return len(self._places) if self._rows is None else len(self._rows)

    def __iter__(self) -> Iterator[Result]:
        for at in range(len(self._places)) if self._rows is None else self._rows:
            yield cast(Result, Row(self, int(at)))

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | Sequence[Result]:
        if isinstance(index, slice):
            return self._view(self._all()[index])
        return cast(Result, Row(self, int(self._all()[index])))

    def whole(self, row: int) -> Result:
        """The result itself, from the journal."""
        if self._last is None or self._last[0] != row:
            self._last = row, self._read(self._places[row])
        return self._last[1]

    def failed(self, row: int) -> bool:
        return bool(self._failed[row])

    def coded(self, name: str, row: int) -> Any:
        """A value of one of the coded columns."""
        column = self._coded[name]
        if (number := column.number(row)) >= 0:
            return column.values[number]
        whole = self.whole(row)
        return getattr(whole.outcome if name in OF_OUTCOME else whole, name)

    def scores(self, row: int) -> dict[str, float]:
        return {name: column[row] for name, column in self._scores.items() if not math.isnan(column[row])}

    def _all(self) -> NDArray[np.intp]:
        return np.arange(len(self._places)) if self._rows is None else self._rows

    def _lost(self) -> NDArray[np.bool_]:
        return np.array(self._failed, dtype=np.uint8)[self._all()] > 0

    def _view(self, rows: NDArray[np.intp]) -> Columns:
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


def scores_of(results: Sequence[Result], name: str) -> NDArray[np.float64]:
    """One score of results that all have it."""
    if isinstance(results, Columns):
        return results.column(name)
    return np.array([r.outcome.scores[name] for r in results if r.outcome], dtype=float)


def clusters_of(results: Sequence[Result]) -> Sequence[Hashable] | NDArray[Any]:
    """Each one's cluster, or a number that stands for it."""
    return results.clusters() if isinstance(results, Columns) else [r.cluster for r in results]

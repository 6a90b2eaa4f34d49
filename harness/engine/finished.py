"""The finished samples of a run, in memory as long as they are few; of a large run in columns."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np

from harness.core.marks import mark
from harness.core.stream import marks
from harness.core.types import Result, Sample
from harness.engine.streamed import HELD, Streamed
from harness.runs.journal import Journal
from harness.stats.columns import Columns


class Finished:
    """What is in the journal. `held`: results that may be kept as objects; None: all, for a judge or `stop_early`,
    which look at them one by one."""

    def __init__(self, journal: Journal, held: int | None = HELD):
        self.journal, self.held = journal, held
        self.objects: dict[str, Result] = {}
        self._places: list[int] = []
        self._columns: Columns | None = None

    def add(self, results: Sequence[Result], places: Iterable[int]) -> None:
        """`places`: where their lines begin in the journal."""
        if self._columns is not None:
            self._columns.add(results, places)
            return
        self.objects.update((r.id, r) for r in results)
        self._places += places
        if self.held is not None and len(self.objects) > self.held:
            self._columns = Columns(self.journal.at, self.journal.path.parent)
            self._columns.add(self.objects.values(), self._places)
            self.objects, self._places = {}, []

    def __len__(self) -> int:
        return len(self.objects) if self._columns is None else len(self._columns)

    def ids(self) -> Container[str]:
        """Those of the samples that are finished now."""
        return set(self.objects) if self._columns is None else Marked(self._columns)

    def all(self) -> Sequence[Result]:
        """In the order in which they came."""
        return list(self.objects.values()) if self._columns is None else self._columns

    def ordered(self, samples: Sequence[Sample]) -> Sequence[Result]:
        """In the order of the samples."""
        if self._columns is None:
            return [self.objects[s.id] for s in samples if s.id in self.objects]
        return self._columns.ordered(samples.marks if isinstance(samples, Streamed) else marks(s.id for s in samples))


class Marked:
    """The ids of the rows that are there now."""

    def __init__(self, columns: Columns):
        found = np.concatenate(list(columns.marks().blocks()))
        found.sort()
        self._marks = array("Q", found.tobytes())

    def __contains__(self, id_: Any) -> bool:
        at = bisect_left(self._marks, wanted := mark(id_))
        return at < len(self._marks) and self._marks[at] == wanted

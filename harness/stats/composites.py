"""What metrics that are functions of sums are made of, noted while a task makes them: so two runs are compared by any
metric that `jackknife` gave, with the paired jackknife, and no task says anything twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Composite:
    """`f` of the sums of `counts` [G, k], whose rows belong to `clusters`."""

    counts: Floats
    clusters: tuple[Hashable, ...]
    f: Callable[[Floats], Any]
    higher_is_better: bool | None = True


@dataclass
class Notes:
    """`made`: (name, group) of a metric -> what it is made of."""

    made: dict[tuple[str, str], Composite] = field(default_factory=dict)
    tables: list[tuple[Floats, tuple[Hashable, ...]]] = field(default_factory=list)


_NOTES: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def noting() -> Iterator[Notes]:
    """Note what is made of sums inside this block."""
    notes = Notes()
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)


def note_table(table: Floats, clusters: tuple[Hashable, ...]) -> None:
    """Whose rows the sums of `totals` are."""
    if (notes := _NOTES.get()) is not None:
        notes.tables.append((table, clusters))


def composite(table: Any, f: Callable[[Floats], Any]) -> Composite | None:
    """What an estimate is made of; None where nobody asks, or where the table does not come from `totals`."""
    notes = _NOTES.get()
    found = next((c for t, c in notes.tables if t is table), None) if notes else None
    return None if found is None else Composite(table, found, f)


def note_metric(name: str, group: str, made: Composite | None, higher_is_better: bool | None) -> None:
    """Which metric an estimate became."""
    if (notes := _NOTES.get()) is not None and made is not None:
        notes.made[name, group] = Composite(made.counts, made.clusters, made.f, higher_is_better)


def aligned(a: Composite, b: Composite) -> tuple[Floats, Floats]:
    """Both tables over the clusters of either, in one order; a cluster that only one has is 0 in the other."""
    order = list(dict.fromkeys((*a.clusters, *b.clusters)))
    at = {c: i for i, c in enumerate(order)}
    left, right = (np.zeros((len(order), one.counts.shape[1])) for one in (a, b))
    for table, one in ((left, a), (right, b)):
        table[[at[c] for c in one.clusters]] = one.counts
    return left, right


def shared(a: Notes, b: Notes) -> Sequence[tuple[str, str]]:
    """The metrics that both have, and that are made of the same sums."""
    return [k for k, one in a.made.items() if k in b.made and one.counts.shape[1] == b.made[k].counts.shape[1]]

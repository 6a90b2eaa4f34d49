"""The samples of a large run: made again when they are needed, and not kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, overload

from harness.core.errors import HarnessError
from harness.core.marks import mark
from harness.core.task import Task
from harness.core.types import Sample

if TYPE_CHECKING:
    from harness.core.stream import Stream

HELD = 20_000
"""Samples, and results, that are kept as objects."""


class Streamed(Sequence[Sample]):
    """All of a task's samples, as `Task.samples` yields them each time. `marks`: what stands for their ids."""

    def __init__(self, task: Task, marks: Stream):
        self.task, self.marks = task, marks

    def __len__(self) -> int:
        return len(self.marks)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.task.samples())

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        """Reads all before it."""
        if isinstance(index, slice):
            return list(islice(self, *index.indices(len(self))))
        return next(islice(self, range(len(self))[index], None))


def whole(task: Task) -> Sequence[Sample]:
    """Every sample: a list, or `Streamed` where a generator makes many of them with the samples of a cluster side by
    side. Raises HarnessError for ids that repeat, among many."""
    made = task.samples()
    if isinstance(made, Sequence):
        return list(made)
    rest = iter(made)
    if len(head := list(islice(rest, HELD + 1))) <= HELD:
        return head
    from harness.core.stream import Stream, repeated

    marks, clusters, last = Stream("Q"), Stream("Q"), None
    for part in (head, rest):
        for sample in part:
            marks.append(mark(sample.id))
            if sample.cluster != last:
                last = sample.cluster
                clusters.append(mark(last))
    if twice := repeated(marks):
        _refuse_repeated(task, twice)
    if repeated(clusters):
        return list(task.samples())  # a cluster's samples are apart: they are brought together
    return Streamed(task, marks)


def _refuse_repeated(task: Task, marks: set[int]) -> None:
    """Ids with equal marks are compared themselves."""
    seen: set[str] = set()
    for sample in task.samples():
        if mark(sample.id) in marks:
            if sample.id in seen:
                raise HarnessError(f"task={task.name}: sample id {sample.id!r} occurs twice: ids must be unique")
            seen.add(sample.id)

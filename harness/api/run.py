"""One run: its metrics, its samples, and what a notebook shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import html
from harness.core.errors import HarnessError, UsageError, nearest
from harness.core.readings import Reading
from harness.core.types import Metric, Result
from harness.runs.record import RunRecord
from harness.runs.stored import StoredRun

if TYPE_CHECKING:
    from harness.api.sample import Recorded, SampleView
    from harness.api.table import Table
    from harness.comparison.circuits import Overlap


class Run:
    """A run in a results folder. What is asked of it is read from its files; nothing is played."""

    def __init__(self, stored: StoredRun):
        self.stored = stored

    @property
    def name(self) -> str:
        """Of its folder: `pope-embedded-vista-tiny-llava-3f9c2a7b10`."""
        return self.stored.name

    @property
    def record(self) -> RunRecord:
        """Everything that run.json says: configuration, environment, commit, costs, errors."""
        return self.stored.record

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.stored.directory.path

    @property
    def status(self) -> str:
        """ "done", "partial" (over, with error rows), "failed" (nothing but error rows), "interrupted", "running"."""
        return self.record.status.value

    @property
    def task(self) -> str:
        """The task's name."""
        return self.record.task

    @property
    def method(self) -> str:
        """The methods' names joined by "+"; "vanilla" for none."""
        return self.record.method

    @property
    def model(self) -> str:
        """The model's name."""
        return self.record.model

    @property
    def primary(self) -> Metric | None:
        """The metric that the run is told by; None where it has no scores."""
        return self.stored.primary

    def metric(self, name: str, group: str = "all") -> Metric:
        """One metric. Raises UsageError with the nearest names."""
        found = {(m.name, m.group): m for m in self.stored.metrics}
        if (name, group) not in found:
            names = {n for n, _ in found}
            which = nearest(name, names) if name not in names else nearest(group, {g for n, g in found if n == name})
            raise UsageError(f"{self.name} has no metric {name} of {group}: {which}")
        return found[name, group]

    def metrics(self) -> Table:
        """One row a metric in a group, with its interval."""
        from harness.api.table import metrics

        return metrics([self.stored])

    def samples(self) -> Table:
        """One row a sample: answer, verdict, a column for each score, error, tokens, latency."""
        from harness.api.table import samples

        return samples([self.stored])

    def readings(self) -> Table:
        """One row a reading of a sample, what probes read: `reading`, `value`, and for arrays `axes`, `shape` and
        `values`."""
        from harness.api.table import readings

        return readings([self.stored])

    def reading(self, name: str) -> dict[str, Reading]:
        """One reading, `probe.name`, by sample. Raises UsageError with the nearest names."""
        found = self.stored.readings(name)
        if not found:
            names = {n for one in self.stored.readings().values() for n in one}
            if not names:
                raise UsageError(f"{self.name} has no readings: play it with a probe, such as method=image_attention")
            raise UsageError(f"{self.name} has no reading {name}: {nearest(name, names)}")
        return {sample: one[name] for sample, one in found.items()}

    def circuit(self, name: str = "heads.patched", share: float = 0.02) -> list[tuple[int, int]]:
        """The share of heads (layer, head) with the largest mean effect in a reading, the largest first."""
        from harness.comparison.circuits import circuit, stacked

        return circuit(stacked(self.reading(name), name).mean(0), share)

    def overlap(self, other: Run, name: str = "heads.patched", share: float = 0.02) -> Overlap:
        """How many heads of this run's circuit are in that of another task on the same model."""
        from harness.comparison.circuits import overlap, stacked

        read = [run.reading(name) for run in (self, other)]
        a, b = (stacked(r, name) for r in read)
        clusters = [[run._by_id[i].cluster for i in r] for run, r in zip((self, other), read, strict=True)]
        return overlap(a, b, (clusters[0], clusters[1]), share)

    def auroc(self) -> Table:
        """How well each number that probes read, and each state, tells right answers from wrong ones: AUROC with its
        interval over clusters. Above .5: larger where right."""
        import pyarrow as pa

        from harness.api.table import Table
        from harness.comparison.reading import tellings

        rows = [
            {"reading": name, "auroc": e.value, "low": e.low, "high": e.high, "n": e.n, "clusters": e.clusters}
            for name, e in tellings(self.stored)
        ]
        kinds = {"reading": pa.string(), **dict.fromkeys(("auroc", "low", "high"), pa.float64())}
        kinds |= dict.fromkeys(("n", "clusters"), pa.int64())
        return Table(pa.Table.from_pylist(rows, pa.schema(list(kinds.items()))))

    def results(self) -> list[Result]:
        """The samples as objects, in the order in which they were played."""
        return self.stored.results()

    def cost(self) -> dict[str, float]:
        """What a sample cost: see `StoredRun.cost`."""
        return self.stored.cost()

    def show(self, id: str) -> SampleView:  # noqa: A002
        """One sample with its picture, prompt, answer and scores. Raises UsageError with the nearest ids."""
        from harness.api.sample import view

        if id not in self._by_id:
            raise UsageError(f"{self.name} has no sample {id}: {nearest(str(id), self._by_id)}")
        return view(self.stored, self._by_id[id], self._samples)

    @cached_property
    def _by_id(self) -> dict[str, Result]:
        return {r.id: r for r in self.results()}

    @cached_property
    def _samples(self) -> Recorded:
        from harness.api.sample import recorded

        return recorded(self.record)

    def _line(self) -> str:
        counts = self.record.counts
        errors = f", {counts.errors} errors" if counts.errors else ""
        return f"run {self.name} ({self.status}, {counts.done} of {counts.samples} samples{errors})"

    def __repr__(self) -> str:
        from harness.loggers.tables import drawn, metrics_table

        try:
            table = drawn(metrics_table(self.record, self.stored.metrics)) if self.stored.metrics else ""
        except HarnessError as e:
            table = str(e)
        return "\n".join(filter(None, [table, self._line()]))

    def _repr_html_(self) -> str:
        try:
            found = self.stored.metrics
        except HarnessError as e:
            return html.lines([e, self._line()])
        record = self.record
        caption = f"{record.task} ({record.data}), {record.method}, {record.model}; value [95 % interval]"
        return (_tables(found, caption) if found else "") + html.lines([self._line()])


def _tables(metrics: Sequence[Metric], caption: str) -> str:
    """One row a metric and one column a group, or the other way round, as in a terminal; then the grid of cells."""
    from harness.loggers.tables import CELL, WIDE, number, plain_interval

    plain, grid = ([m for m in metrics if (m.name == CELL) is cell] for cell in (False, True))
    names, groups = (list(dict.fromkeys(getattr(m, k) for m in plain)) for k in ("name", "group"))
    cells = {(m.name, m.group): plain_interval(m.value, m.low, m.high) for m in plain}
    if len(groups) > WIDE:
        rows = [(group, *(cells.get((name, group), "") for name in names)) for group in groups]
        made = html.table(["group", *names], rows, caption=caption)
    else:
        rows = [(name, *(cells.get((name, group), "") for group in groups)) for name in names]
        made = html.table(["metric", *groups], rows, caption=caption)
    if not grid:
        return made
    at = {tuple(m.group.split(" x ")): number(m.value) for m in grid}
    across, down = (list(dict.fromkeys(key[i] for key in at)) for i in (0, 1))
    rows = [(row, *(at.get((column, row), "") for column in across)) for row in down]
    return made + html.table(["", *across], rows, caption="score by length (across) and depth (down)")

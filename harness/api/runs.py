"""`harness.runs`: the runs of a results folder, as `harness ls` lists them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from harness.api import html
from harness.api.run import Run
from harness.comparison.listing import HEADS, rows
from harness.config.parser import results_default
from harness.core.errors import UsageError
from harness.core.sinks import line
from harness.runs.stored import find, folder, select

if TYPE_CHECKING:
    from harness.api.table import Table


class Runs(Sequence[Run]):
    """Runs, newest first: `runs[0]`, `runs[:3]`, or `runs["pope-embedded-vista"]`, the one whose name begins so."""

    def __init__(self, found: Sequence[Run], results: Path):
        self._found, self.results = tuple(found), results

    @overload
    def __getitem__(self, which: int | str) -> Run: ...
    @overload
    def __getitem__(self, which: slice) -> Runs: ...
    def __getitem__(self, which: int | str | slice) -> Run | Runs:
        """Raises UsageError where a name begins several of the folder's runs, or none, with the nearest."""
        if isinstance(which, str):
            return Run(find(self.results, which))
        return Runs(self._found[which], self.results) if isinstance(which, slice) else self._found[which]

    def __len__(self) -> int:
        return len(self._found)

    def metrics(self) -> Table:
        """One row a metric of a run, in a group."""
        from harness.api.table import metrics

        return metrics([run.stored for run in self])

    def samples(self) -> Table:
        """One row a sample of a run."""
        from harness.api.table import samples

        return samples([run.stored for run in self])

    def readings(self) -> Table:
        """One row a reading of a sample of a run: what probes read (docs/probes.md)."""
        from harness.api.table import readings

        return readings([run.stored for run in self])

    def __repr__(self) -> str:
        from harness.core.width import columns, listed

        found, problems = self._rows()
        lines = [*listed(HEADS, found, columns()), *map(line, problems)]
        return "\n".join(lines) if found else f"no runs in {self.results}"

    def _repr_html_(self) -> str:
        found, problems = self._rows()
        if not found:
            return html.text(repr(self))
        return html.table(HEADS, found, texts=None) + html.lines(problems)

    def _rows(self) -> tuple[list[list[str]], list[str]]:
        problems: list[str] = []
        return rows([run.stored for run in self], problems.append), problems


def runs(
    results: str | Path | None = None,
    *,
    task: str | None = None,
    method: str | Sequence[str] | None = None,
    model: str | None = None,
    data: str | None = None,
    status: str | None = None,
    seed: int | None = None,
    limit: int | None = None,
) -> Runs:
    """The runs of a results folder, newest first; those alone that were played so, where something is given.

    Runs whose files cannot be read are left out, with a warning each.

    Args:
        results: $HARNESS_RESULTS, or `results`, by default.
        task, model: Names.
        method: One name, or several that were composed, in their order.
        data: Which records of the task, as `task.data`.
        status: "done", "partial", "failed", "interrupted" or "running".
        seed, limit: Of the run; a limit counts samples.

    Raises:
        Missing: the folder holds no runs.
    """
    methods = method if method is None or isinstance(method, str) else "+".join(method)
    wanted = {"task": task, "data": data, "model": model, "method": methods}
    wanted |= {"status": status, "seed": seed, "limit": limit}
    where = folder(results_default() if results is None else results)
    filters = [f"{key}={value}" for key, value in wanted.items() if value is not None]
    found = select(where, filters, lambda problem: warnings.warn(problem, stacklevel=4))
    return Runs([Run(one) for one in found], where)


def given(run: Run | str, results: str | Path | None) -> Run:
    """A run that is named, or is one already."""
    if isinstance(run, Run):
        return run
    if not isinstance(run, str):
        raise UsageError(f"{run!r:.80} is not a run: give one of harness.runs(), or its name")
    return Run(find(folder(results_default() if results is None else results), run))

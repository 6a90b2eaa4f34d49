"""harness ls: runs in the results folder, newest first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.commands.words import results_folder, say, warn
from harness.config.parser import Parser
from harness.core.sinks import line
from harness.core.width import columns, listed

if TYPE_CHECKING:
    from harness.runs.stored import StoredRun

HEADS = ["run", "status", "samples", "score", "started (UTC)", "differs from others of its label"]
HELP = "runs in the results folder, newest first"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("filters", nargs="*", metavar="KEY=VALUE", help="task=pope method=vista model=... status=done")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")


def run(given: Any) -> int:
    from harness.engine.artefacts import records
    from harness.runs.stored import select

    found = select(results_folder(given.results), given.filters, warn)
    if given.json:
        print(json.dumps([_row(r) for r in found], indent=1))
        return 0
    for text in listed(HEADS, rows(found), columns()):
        print(text)
    if not given.filters:
        for made in records(results_folder(given.results)):
            pictures = f"{made['pictures']} pictures, {made['seconds']} s"
            say(f"{made['directory']}  {pictures}  {made['finished']}")
    return 0


def rows(runs: Sequence[StoredRun]) -> list[list[str]]:
    """What is listed of these runs: one cell for each of `HEADS`."""
    from harness.comparison.distinct import by_label

    return [_cells(run, differs) for run, differs in zip(runs, by_label([r.record for r in runs]), strict=True)]


def _cells(run: StoredRun, differs: str) -> list[str]:
    from harness.loggers.tables import plain_interval

    metric, record, counts = _primary(run), run.record, run.record.counts
    score = f"{metric.name} {plain_interval(metric.value, metric.low, metric.high)}" if metric else ""
    started = (record.started or "")[:19].replace("T", " ")
    return list(map(line, (run.name, record.status, f"{counts.done}/{counts.samples}", score, started, differs)))


def _primary(run: Any) -> Any:
    """The run's primary metric; None, with a line, where its metrics cannot be read."""
    from harness.runs.record import Damaged

    try:
        return run.primary
    except Damaged as e:
        warn(str(e))
        return None


def _row(run: Any) -> dict[str, Any]:
    keys = ("run", "status", "task", "data", "model", "method", "seed", "limit", "started", "counts")
    metric, record = _primary(run), run.record.as_json()
    return {k: record.get(k) for k in keys} | {
        "metric": metric.name if metric else None,
        "value": metric.value if metric else None,
        "low": metric.low if metric else None,
        "high": metric.high if metric else None,
    }

"""harness ls: runs in the results folder, newest first."""

from __future__ import annotations

import json
from typing import Any

from harness.commands.words import results_folder, say, warn
from harness.config.parser import Parser

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
    from rich.table import Table

    from harness.loggers.tables import plain_interval, terminal, text

    table = Table(box=None, pad_edge=False)
    for column in ("run", "status", "samples", "score", "started"):
        table.add_column(column, no_wrap=True)
    for run in found:
        metric = _primary(run)
        score = f"{metric.name} {plain_interval(metric.value, metric.low, metric.high)}" if metric else ""
        record, counts = run.record, run.record.counts
        cells = (run.name, record.status, f"{counts.done}/{counts.samples}", score, record.started or "")
        table.add_row(*map(text, cells))
    terminal().print(table)
    if not given.filters:
        for made in records(results_folder(given.results)):
            pictures = f"{made['pictures']} pictures, {made['seconds']} s"
            say(f"{made['directory']}  {pictures}  {made['finished']}")
    return 0


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

"""harness ls: runs in the results folder, newest first."""

from __future__ import annotations

import json
from typing import Any

from harness.commands.words import results_folder, say, warn
from harness.config.parser import Parser
from harness.core.width import columns, listed

HELP = "runs in the results folder, newest first"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("filters", nargs="*", metavar="KEY=VALUE", help="task=pope method=vista model=... status=done")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")


def run(given: Any) -> int:
    from harness.comparison.listing import HEADS, rows
    from harness.engine.artefacts import records
    from harness.runs.stored import select

    found = select(results_folder(given.results), given.filters, warn)
    if given.json:
        print(json.dumps([_row(r) for r in found], indent=1))
        return 0
    for text in listed(HEADS, rows(found, warn), columns()):
        print(text)
    if not given.filters:
        for made in records(results_folder(given.results)):
            pictures = f"{made['pictures']} pictures, {made['seconds']} s"
            say(f"{made['directory']}  {pictures}  {made['finished']}")
    return 0


def _row(run: Any) -> dict[str, Any]:
    keys = ("run", "status", "task", "data", "model", "method", "seed", "limit", "started", "counts")
    from harness.comparison.listing import told

    metric, record = told(run, warn), run.record.as_json()
    return {k: record.get(k) for k in keys} | {
        "metric": metric.name if metric else None,
        "value": metric.value if metric else None,
        "low": metric.low if metric else None,
        "high": metric.high if metric else None,
    }

"""harness import: other tools' logs as runs, marked as imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.commands.words import say
from harness.config.parser import Parser
from harness.core.errors import INCOMPLETE, UsageError

HELP = "logs of lm-eval, lmms-eval and Inspect AI as runs, marked as imported"


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="results_*.json, *_results.json, *.eval, or folders with them"
    )


def run(given: Any) -> int:
    from harness.interop.imported import bring
    from harness.store import ingest

    results = Path(given.results)
    found = bring([Path(p) for p in given.paths], results)
    for line in found.notes:
        say(f"harness: {line}", err=True)
    for line in found.odd:
        say(f"harness: left out: {line}", err=True)
    if not found.made and not found.known:
        raise UsageError("no log of lm-eval, lmms-eval or Inspect in these paths")
    if found.made:
        ingest(results, [results / "runs" / name for name in found.made])
    for name in found.made:
        say(name)
    known = f", {len(found.known)} were there before" if found.known else ""
    say(f"{len(found.made)} runs imported{known}")
    return INCOMPLETE if found.odd else 0

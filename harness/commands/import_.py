"""harness import: other tools' logs as runs, marked as imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.commands.words import parser
from harness.core.errors import INCOMPLETE, UsageError


def main(words: Sequence[str]) -> int:
    arguments = parser("import", "logs of lm-eval, lmms-eval and Inspect AI as runs, marked as imported")
    arguments.add_argument(
        "paths", nargs="+", metavar="PATH", help="results_*.json, *_results.json, *.eval, or folders with them"
    )
    given = arguments.parse_args(words)
    from harness.interop.imported import bring
    from harness.store import ingest

    results = Path(given.results)
    found = bring([Path(p) for p in given.paths], results)
    for line in found.odd:
        print(f"harness: left out: {line}", file=sys.stderr)
    if not found.made and not found.known:
        raise UsageError("no log of lm-eval, lmms-eval or Inspect in these paths")
    if found.made:
        ingest(results, [results / "runs" / name for name in found.made])
    for name in found.made:
        print(name)
    known = f", {len(found.known)} were there before" if found.known else ""
    print(f"{len(found.made)} runs imported{known}")
    return INCOMPLETE if found.odd else 0

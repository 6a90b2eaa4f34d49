"""harness ingest: rebuild harness.duckdb from the run directories."""

from __future__ import annotations

from collections.abc import Sequence

from harness.commands.words import parser, results_folder


def main(words: Sequence[str]) -> int:
    arguments = parser("ingest", "rebuild harness.duckdb from results/runs; the run directories are the truth")
    given = arguments.parse_args(words)
    from harness.store import ingest

    report = ingest(results_folder(given.results))
    print(report)
    return 0

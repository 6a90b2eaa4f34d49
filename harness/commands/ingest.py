"""harness ingest: rebuild harness.duckdb from the run directories."""

from __future__ import annotations

from typing import Any

from harness.commands.words import results_folder, say
from harness.config.parser import Parser

HELP = "rebuild harness.duckdb from the run directories in results/runs"


def add_arguments(parser: Parser) -> None:
    """Takes nothing but --results."""


def run(given: Any) -> int:
    from harness.store import ingest

    report = ingest(results_folder(given.results))
    for text in str(report).split("\n"):
        say(text)
    return 0

"""What tests ask the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.store import Store

RUNS = """
SELECT r.*, m.name AS metric, m.value, m.stderr, m.low, m.high
FROM runs AS r LEFT JOIN metrics AS m ON m.run = r.run AND m."primary"
ORDER BY r.started DESC NULLS LAST, r.run DESC
"""
RUN = "SELECT r.*, e.* EXCLUDE (run) FROM runs AS r LEFT JOIN environment AS e USING (run) WHERE r.run = $run"


def ask(results: Path, text: str, **values: Any) -> list[dict[str, Any]]:
    with Store(results) as store:
        return store.query(text, values)


def runs(results: Path) -> list[dict[str, Any]]:
    """All runs, newest first, with their primary metric."""
    return ask(results, RUNS)


def run(results: Path, name: str) -> dict[str, Any]:
    """One run with what it ran on."""
    return ask(results, RUN, run=name)[0]


def metrics(results: Path, run: str) -> list[dict[str, Any]]:
    return ask(results, "SELECT * EXCLUDE (run) FROM metrics WHERE run = $run ORDER BY rowid", run=run)


def samples(results: Path, run: str) -> list[dict[str, Any]]:
    """In the order of the journal."""
    return ask(results, "SELECT * EXCLUDE (run) FROM samples WHERE run = $run ORDER BY rowid", run=run)

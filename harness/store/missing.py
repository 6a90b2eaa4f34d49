"""Runs that are on disk but not in the database: a run that is killed between its record and the index is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from harness.core.errors import HarnessError
from harness.runs.record import RunRecord
from harness.runs.stored import stored
from harness.store.database import Busy, database
from harness.store.ingest import ingest
from harness.store.queries import Outdated, Store
from harness.store.records import utc


def missing(results: Path, records: Iterable[RunRecord]) -> list[str]:
    """Names of the runs whose rows are not there, or are of an earlier state. None while another process writes.

    Raises HarnessError where the database cannot be read.
    """
    records = list(records)
    if not database(results).exists():
        return [r.run for r in records]
    try:
        with Store(results, patience=0) as store:
            rows = store.query("SELECT run, status, finished FROM runs")
    except Outdated:
        return [r.run for r in records]
    except Busy:
        return []
    known = {(r["run"], r["status"], r["finished"].isoformat() if r["finished"] else None) for r in rows}
    return [r.run for r in records if (r.run, r.status.value, utc(r.finished)) not in known]


def indexed(results: Path, record: RunRecord) -> bool:
    """Whether the database holds the run in the state in which it is on disk."""
    try:
        return not missing(results, [record])
    except HarnessError:
        return False


def catch_up(results: Path, say: Callable[[str], None]) -> None:
    """Index the ended runs that the database lacks. What cannot be read, or not be indexed, is reported."""
    ended = [r.record for r in stored(results, say) if r.record.status.ended]
    if not (names := missing(results, ended)):
        return
    try:
        report = ingest(results, [results / "runs" / name for name in names])
    except HarnessError as e:
        say(f"{len(names)} runs are on disk but not in harness.duckdb, {names[0]} first: {e}")
        return
    for problem in report.problems:
        say(f"left out: {problem}")
    if report.runs:
        say(f"{report.runs} runs on disk were not in harness.duckdb: indexed now")

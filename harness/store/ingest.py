"""Run directories into the database: all of them, or the ones that changed. The outcome is the same."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import FULL, HarnessError, Missing, NoRoom, first_line
from harness.runs import journal, readings
from harness.runs.record import Status
from harness.store.database import WRITE_PATIENCE, database, migrate, patiently, sql, turn
from harness.store.records import RunRows, Unreadable, clean_journal, dumps, read_run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONGEST = 16 * 2**20
"""Bytes of the longest JSON line that DuckDB shall expect, unless a longer one is seen."""
ENDED = {s.value for s in Status if s.ended}
SMALL = {"memory_limit": "128MB", "threads": 1}
"""For single runs, beside a loaded model. DuckDB needs twice `LONGEST` a thread; what does not fit goes to a scratch
folder. Everything at once may take what DuckDB takes by itself."""


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did. `problems`: one line for each thing that was left out."""

    runs: int
    samples: int
    removed: int
    """Runs that are no longer in the database because their directory is gone or unreadable."""
    seconds: float
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        gone = f", {self.removed} removed" if self.removed else ""
        total = f"{self.runs} runs, {self.samples} samples in {self.seconds:.1f} s{gone}"
        return "\n".join([total, *(f"left out: {p}" for p in self.problems)])


def ingest(results: Path, runs: Sequence[Path] | None = None, *, patience: float = WRITE_PATIENCE) -> IngestReport:
    """Bring `results/harness.duckdb` up to date with these run directories, or with all under `results/runs/`.

    One transaction; a run that is there already is replaced. A directory that cannot be read costs itself alone. Waits
    up to `patience` seconds for other writers and readers, then raises Busy: nothing was changed.
    """
    import duckdb

    began = time.monotonic()
    results = Path(results)
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise Missing(f"{results} cannot be made ({e.strerror}): choose another folder by results=DIR") from e
    path = database(results)
    small = {} if runs is None else SMALL
    with (
        turn(path, patience),
        tempfile.TemporaryDirectory(prefix="harness-") as scratch,
        duckdb.connect(":memory:", config={"temp_directory": scratch, **small}) as connection,
    ):
        with suppress(duckdb.Error):  # in a notebook without ipywidgets there is none, and no way to say so
            connection.execute("SET enable_progress_bar = false")
        migrate(connection)
        folders = _folders(results) if runs is None else list({Path(r).absolute().name: Path(r) for r in runs}.values())
        staged, problems = _stage(connection, folders, Path(scratch))
        leaving = None if runs is None else [f.absolute().name for f in folders]
        try:
            had = patiently(lambda: _publish(connection, path, leaving), patience, path, "run harness ingest later")
        except duckdb.Error as e:
            raise _unwritten(path, e) from e
        count = connection.execute("SELECT count(*) FROM samples").fetchone()
    names = {r.name for r in staged}
    return IngestReport(len(staged), count[0] if count else 0, len(had - names), time.monotonic() - began, problems)


def _unwritten(path: Path, error: Exception) -> HarnessError:
    """Why the file could not be written, and what helps. DuckDB tells of a full disk in any of its errors' lines."""
    if path.is_dir():
        return Missing(f"{path} is a folder: move it away, then run harness ingest")
    if why := next((w for w in map(os.strerror, FULL) if w in str(error)), ""):
        return NoRoom(f"no room for {path} ({why}): make some, then run harness ingest")
    return Missing(f"{path} cannot be updated ({first_line(error)}): move it away, then run harness ingest")


def _folders(results: Path) -> list[Path]:
    folder = results / "runs"
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")) if folder.is_dir() else []


def _stage(connection: DuckDBPyConnection, folders: Iterable[Path], scratch: Path) -> tuple[list[RunRows], list[str]]:
    """Read run directories into the tables in memory."""
    records: list[RunRows] = []
    problems: list[str] = []
    whole: list[RunRows] = []
    torn: list[RunRows] = []
    for folder in folders:
        try:
            record = read_run(folder)
            kind = _sound(record.journal)
        except Unreadable as e:
            problems.append(str(e))
        except OSError as e:
            problems.append(f"{folder} cannot be read ({e.strerror or e})")
        else:
            records.append(record)
            if kind is not None:
                (whole if kind else torn).append(record)
    lost = _load_journals(connection, whole, scratch, problems)
    for record in torn:
        lost |= _load_cleaned(connection, record, scratch, problems)
    _drop_odd_scores(connection, problems)
    records = [r for r in records if r.name not in lost]
    _load_readings(connection, [r for r in records if r.runs[0]["status"] in ENDED], problems)
    for table in ("runs", "environment", "metrics"):
        lines = [dumps(row) for r in records for row in getattr(r, table)]
        path = scratch / f"{table}.jsonl"
        path.write_bytes(b"".join(lines))
        longest = max([LONGEST, *map(len, lines)])
        connection.execute(sql(f"loads/{table}.sql"), {"path": str(path), "longest": longest})
    return records, problems


def _sound(path: Path) -> bool | None:
    """Whether every line of a journal is whole, and no checksum is wrong; None if there is nothing in it."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    if journal.intact(path) is not None:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n" and all(line is not None for _, line in journal.lines(path))


def _load_journals(
    connection: DuckDBPyConnection, records: list[RunRows], scratch: Path, problems: list[str]
) -> set[str]:
    """All in one statement. If a line somewhere is odd, halve until its journal is alone, and clean that one."""
    import duckdb

    if not records:
        return set()
    try:
        paths = [str(r.journal) for r in records]
        connection.execute(sql("loads/samples.sql"), {"paths": paths, "longest": LONGEST})
        return set()
    except duckdb.Error:
        if len(records) == 1:
            return _load_cleaned(connection, records[0], scratch, problems)
    middle = len(records) // 2
    return _load_journals(connection, records[:middle], scratch, problems) | _load_journals(
        connection, records[middle:], scratch, problems
    )


def _load_cleaned(connection: DuckDBPyConnection, record: RunRows, scratch: Path, problems: list[str]) -> set[str]:
    """A journal's sound rows, one by one. Returns the run's name if even that fails."""
    import duckdb

    fresh = scratch / record.name / record.journal.name
    try:
        fresh.parent.mkdir()
        longest, faults = clean_journal(record.journal, fresh)
        if longest > LONGEST:
            connection.execute("RESET memory_limit")
        values = {"paths": [str(fresh)], "longest": max(LONGEST, longest)}
        connection.execute(sql("loads/samples.sql"), values)
    except (duckdb.Error, OSError) as e:
        problems.append(f"{record.journal} cannot be read ({first_line(e)})")
        return {record.name}
    finally:
        fresh.unlink(missing_ok=True)
    problems += [f"{record.journal}: {fault}" for fault in faults]
    return set()


def _load_readings(connection: DuckDBPyConnection, records: list[RunRows], problems: list[str]) -> None:
    """What probes read, of all runs in one statement; one by one where a file is damaged, which costs its own run's."""
    import duckdb

    paths = [str(path) for r in records if (path := r.journal.with_name(readings.FILE)).exists()]
    if not paths:
        return
    with suppress(duckdb.Error):
        connection.execute(sql("loads/readings.sql"), {"paths": paths})
        return
    for path in paths:
        try:
            connection.execute(sql("loads/readings.sql"), {"paths": [path]})
        except duckdb.Error as e:
            problems.append(f"{path} cannot be read ({first_line(e)})")


def _drop_odd_scores(connection: DuckDBPyConnection, problems: list[str]) -> None:
    """Rows of older journals whose scores are not finite numbers: such samples count as not scored at all."""
    connection.execute(sql("loads/odd_scores.sql"))
    odd = connection.execute("SELECT run, count(*), min(id) FROM odd GROUP BY run ORDER BY run").fetchall()
    problems += [f"{run}: {n} samples whose scores are not finite numbers ({first} first)" for run, n, first in odd]
    if odd:
        connection.execute("DELETE FROM samples WHERE (run, id) IN (SELECT run, id FROM odd)")


def _publish(connection: DuckDBPyConnection, path: Path, leaving: list[str] | None) -> set[str]:
    """The staged tables into the file, in one transaction. Returns the runs that left or were replaced.

    `leaving` None: all old rows leave, and a file that DuckDB cannot read is replaced by a new one.
    """
    _attach(connection, path, replace=leaving is None)
    try:
        connection.execute("USE store")
        migrate(connection)
        connection.execute("USE memory")
        connection.execute("CREATE OR REPLACE TEMP TABLE leaving AS SELECT run FROM store.runs")
        if leaving is not None:
            connection.execute(
                "DELETE FROM leaving WHERE NOT list_contains($names::VARCHAR[], run)", {"names": leaving}
            )
        connection.execute("BEGIN TRANSACTION")
        try:
            connection.execute(sql("loads/publish.sql"))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return {row[0] for row in connection.execute("SELECT run FROM leaving").fetchall()}
    finally:
        connection.execute("USE memory")
        connection.execute("DETACH store")


def _attach(connection: DuckDBPyConnection, path: Path, *, replace: bool) -> None:
    import duckdb

    literal = str(path).replace("'", "''")
    attach = f"ATTACH '{literal}' AS store"
    try:
        connection.execute(attach)
    except duckdb.Error as e:
        if not any(s in str(e) for s in ("not a valid DuckDB", "version number", "Corrupt")):
            raise
        if not replace:
            raise HarnessError(f"{path} is damaged or from another DuckDB version: run harness ingest") from e
        path.unlink()
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        connection.execute(attach)

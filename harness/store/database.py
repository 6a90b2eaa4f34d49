"""The database file: where it lies, its schema, and how processes take turns.

DuckDB lets in one writing process or many reading ones. Our writers queue at a lock file beside the database, so that
DuckDB's own lock is contended only by readers and by other programs; both sides try again for a while.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import HarnessError, Missing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"
WRITE_PATIENCE = 120.0
"""Seconds for which a writer waits for its turn."""
READ_PATIENCE = 30.0


class Busy(HarnessError):
    """Another program kept the database to itself for too long."""


def database(results: Path) -> Path:
    return results / "harness.duckdb"


def sql(path: str) -> str:
    """The text of one .sql file of this package."""
    return (HERE / path).read_text(encoding="utf-8")


def steps(folder: Path | None = None) -> list[tuple[int, str]]:
    """What makes an empty database current: (version, SQL), ascending. schema.sql is version 1."""
    found = [(1, sql("schema.sql"))]
    for path in sorted((folder or MIGRATIONS).glob("*.sql")):
        number = re.match(r"\d+", path.name)
        if number is None or int(number[0]) != found[-1][0] + 1:
            raise HarnessError(f"{path.name}: migrations are numbered without gaps from 002")
        found.append((int(number[0]), path.read_text(encoding="utf-8")))
    return found


def migrate(connection: DuckDBPyConnection, folder: Path | None = None) -> None:
    """Bring the connection's current database to the newest version, all or nothing."""
    todo = steps(folder)
    have = version(connection)
    if have > todo[-1][0]:
        raise HarnessError(
            f"harness.duckdb has version {have}, this harness supports {todo[-1][0]}: update harness, or delete the "
            "file and run harness ingest"
        )
    if have == todo[-1][0]:
        return
    if not have and (foreign := _tables(connection)):
        raise Missing(
            f"harness.duckdb holds another program's tables ({', '.join(foreign[:3])}): move the file away, and run "
            "harness ingest"
        )
    connection.execute("BEGIN TRANSACTION")
    try:
        for number, text in todo:
            if number > have:
                connection.execute(text)
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version VALUES (?)", [todo[-1][0]])
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def version(connection: DuckDBPyConnection) -> int:
    """The schema version of the connection's current database, 0 if it is empty."""
    there = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'schema_version' AND database_name = current_database()"
    if connection.execute(there).fetchone() is None:
        return 0
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _tables(connection: DuckDBPyConnection) -> list[str]:
    """The tables of the connection's current database."""
    names = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() ORDER BY 1"
    return [row[0] for row in connection.execute(names).fetchall()]


def busy(error: Exception) -> bool:
    """Whether a DuckDB error means that someone else (or this process itself) has the file open."""
    text = str(error)
    return any(s in text for s in ("Could not set lock", "different configuration", "Unique file handle conflict"))


def patiently(action: Callable[[], T], patience: float, path: Path, fix: str) -> T:
    """Repeat `action` while the database is busy, for up to `patience` seconds. Then raises Busy, saying `fix`."""
    import duckdb

    deadline = time.monotonic() + patience
    pause = 0.02
    while True:
        try:
            return action()
        except duckdb.Error as e:
            if not busy(e):
                raise
            if time.monotonic() + pause > deadline:
                holder = re.search(r"PID (\d+)", str(e))
                who = f"process {holder[1]}" if holder else "another connection"
                raise Busy(f"{path} was held by {who} for {patience:.0f} s: {fix}") from e
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


@contextmanager
def turn(path: Path, patience: float) -> Iterator[None]:
    """Wait at the lock file for this process's turn to write. The system frees the lock of a killed process."""
    try:
        import fcntl
    except ImportError:  # no such locks here: DuckDB's own lock and the retry remain
        yield
        return
    deadline = time.monotonic() + patience
    try:
        file = path.with_name(path.name + ".lock").open("a")
    except OSError as e:
        raise Missing(f"{path.parent} cannot be written ({e.strerror}): choose another folder by results=DIR") from e
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"other processes wrote to {path} for {patience:.0f} s: run harness ingest later"
                    ) from None
                time.sleep(0.02)
            except OSError:  # a file system without locks
                break
        yield

"""Questions to the database. The SQL is in queries/*.sql; rows come back as dicts, JSON columns decoded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError, Missing, UsageError, first_line
from harness.store.database import READ_PATIENCE, database, patiently, sql, steps, version

if TYPE_CHECKING:
    from types import TracebackType

    from duckdb import DuckDBPyConnection

Row = dict[str, Any]


class Store:
    """A read-only view of `results/harness.duckdb`, to be used in a `with` block.

    Many processes may read at once; while one writes, opening waits up to `patience` seconds. Keep it open no longer
    than needed: writers wait for readers.
    """

    def __init__(self, results: Path | str, *, patience: float = READ_PATIENCE):
        self.path = database(Path(results))
        self._connection = _open(self.path, patience)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def query(self, text: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Rows of any SELECT; `values` fills its $names. Raises UsageError if DuckDB refuses it."""
        import duckdb

        try:
            cursor = self._connection.execute(text, dict(values)) if values else self._connection.execute(text)
        except duckdb.Error as e:
            raise UsageError(f"the database refuses this query: {first_line(e)}") from e
        described = cursor.description or []
        names = [d[0] for d in described]
        decode = [i for i, d in enumerate(described) if str(d[1]) == "JSON"]
        rows = []
        for values_ in cursor.fetchall():
            row = list(values_)
            for i in decode:
                row[i] = None if row[i] is None else json.loads(row[i])
            rows.append(dict(zip(names, row, strict=True)))
        return rows

    def history(self, task: str) -> list[Row]:
        """Finished whole runs of a task, oldest commit first: settings, commit, primary metric, seconds a sample."""
        return self.query(sql("queries/history.sql"), {"task": task})

    def paired(self, a: str, b: str) -> list[Row]:
        """id, cluster and the scores of both runs (`a`, `b`), for the samples that asked the same."""
        return self.query(sql("queries/paired.sql"), {"a": a, "b": b})


class Outdated(Missing):
    """The database was written by an earlier version; `ingest` brings it up to date."""


def _open(path: Path, patience: float) -> DuckDBPyConnection:
    import duckdb

    if not path.exists():
        raise Missing(f"{path} does not exist: run harness eval or harness ingest")
    try:
        connection = patiently(
            lambda: duckdb.connect(str(path), read_only=True), patience, path, "wait for it, or end it"
        )
    except duckdb.Error as e:
        raise HarnessError(f"{path} cannot be opened ({first_line(e)}): run harness ingest") from e
    newest = steps()[-1][0]
    try:
        have = version(connection)
    except duckdb.Error as e:
        connection.close()
        raise Missing(
            f"{path} is not a database of harness ({first_line(e)}): move it away, and run harness ingest"
        ) from e
    if have != newest:
        connection.close()
        if have < newest:
            raise Outdated(f"{path} has version {have}, this harness reads version {newest}: run harness ingest")
        raise Missing(f"{path} has version {have}, this harness reads version {newest}: update harness")
    return connection

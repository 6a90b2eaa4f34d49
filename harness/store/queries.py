"""Questions to the database. The SQL is in queries/*.sql; rows come back as dicts, JSON columns decoded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError, Missing, UsageError, first_line
from harness.plugins.registry import unknown
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

    def runs(self) -> list[Row]:
        """All runs, newest first: the columns of `runs`; `metric`, `value`, `low`, `high`, ... of the primary one."""
        return self.query(sql("queries/runs.sql"))

    def run(self, prefix: str) -> Row:
        """The run of that name, unique beginning or unique hash, with its environment. Raises UsageError."""
        return self.query(sql("queries/run.sql"), {"run": self.name(prefix)})[0]

    def name(self, prefix: str) -> str:
        """The full name of a run. Raises UsageError with the names that were possibly meant."""
        names = [row["run"] for row in self.query(sql("queries/names.sql"))]
        found = [n for n in names if n == prefix] or [
            n for n in names if prefix and (n.startswith(prefix) or n.rsplit("-", 1)[-1].startswith(prefix))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            more = ", ..." if len(found) > 5 else ""
            raise UsageError(f"run={prefix} may mean {len(found)} runs: {', '.join(found[:5])}{more}")
        if not names:
            raise UsageError(f"{self.path} holds no runs: harness eval makes the first one")
        raise UsageError(unknown("run", prefix, names))

    def metrics(self, run: str) -> list[Row]:
        """Every metric of the run of exactly this name, in the order of its task."""
        return self.query(sql("queries/metrics.sql"), {"run": run})

    def samples(
        self,
        run: str,
        *,
        id: str | None = None,  # noqa: A002
        cluster: str | None = None,
        group: str | None = None,
        failed: bool | None = None,
        score: str | None = None,
        below: float = 1.0,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Row]:
        """Samples of the run of exactly this name, in journal order.

        `failed`: only (or no) error rows. `score` with `below`: those whose score of that name lies below. Anything
        else is a `query` on the table `samples`.
        """
        values = {
            "run": run,
            "id": id,
            "cluster": cluster,
            "group": group,
            "failed": failed,
            "score": score,
            "below": below,
            "limit": limit,
            "offset": offset,
        }
        return self.query(sql("queries/samples.sql"), values)

    def history(self, task: str) -> list[Row]:
        """Finished whole runs of a task, oldest commit first: settings, commit, primary metric, seconds a sample."""
        return self.query(sql("queries/history.sql"), {"task": task})

    def paired(self, a: str, b: str) -> list[Row]:
        """id, cluster and the scores of both runs (`a`, `b`), for the samples that asked the same."""
        return self.query(sql("queries/paired.sql"), {"a": a, "b": b})


def runs(results: Path | str) -> list[Row]:
    with Store(results) as store:
        return store.runs()


def run(results: Path | str, prefix: str) -> Row:
    with Store(results) as store:
        return store.run(prefix)


def metrics(results: Path | str, run: str) -> list[Row]:
    with Store(results) as store:
        return store.metrics(store.name(run))


def samples(results: Path | str, run: str, **where: Any) -> list[Row]:
    """See `Store.samples` for `where`."""
    with Store(results) as store:
        return store.samples(store.name(run), **where)


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
        fix = "run harness ingest" if have < newest else "update harness"
        raise Missing(f"{path} has version {have}, this harness reads version {newest}: {fix}")
    return connection

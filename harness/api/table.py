"""A table of runs' metrics or samples, handed on as pandas, Polars, Arrow or DuckDB has it."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.api import html
from harness.core.errors import Missing

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars  # pyright: ignore[reportMissingImports]
    import pyarrow

    from harness.runs.stored import StoredRun

SHOWN = 20
"""Rows that are shown of a table."""
LONGEST = 40
"""Characters of a cell that are shown."""


class Table:
    """Rows in memory, in their order. It holds no file open.

    `for row in table` gives dicts; `len(table)`, `table.columns`; `table["answer"]` is one column as a list.
    """

    def __init__(self, rows: pyarrow.Table):
        self._rows = rows

    @property
    def columns(self) -> list[str]:
        """Their names, in order."""
        return list(self._rows.column_names)

    def __len__(self) -> int:
        return self._rows.num_rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows.to_pylist())

    def __getitem__(self, column: str) -> list[Any]:
        return self._rows.column(column).to_pylist()

    def df(self) -> pandas.DataFrame:
        """As pandas. Raises Missing where that is not installed."""
        _needs("pandas")
        return self._rows.to_pandas()

    def pl(self) -> polars.DataFrame:
        """As Polars. Raises Missing where that is not installed."""
        _needs("polars")
        import polars  # pyright: ignore[reportMissingImports]

        found = polars.from_arrow(self._rows)
        assert isinstance(found, polars.DataFrame)
        return found

    def arrow(self) -> pyarrow.Table:
        """As PyArrow, without a copy."""
        return self._rows

    def relation(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """As DuckDB: `table.relation().filter("correct = 0").aggregate("count(*)")`. Where a connection is given it can
        be joined with its tables."""
        import duckdb

        return (connection or duckdb.connect(":memory:")).from_arrow(self._rows)

    def __repr__(self) -> str:
        from rich.table import Table as Drawn

        from harness.loggers.tables import drawn, text

        cells, columns, left = self._cells(), self.columns, shutil.get_terminal_size((100, 24)).columns
        widths = [max(map(len, (head, *(row[i] for row in cells)))) for i, head in enumerate(columns)]
        fits = sum(used <= left for used in itertools.accumulate(width + 2 for width in widths)) or 1
        more = f"; not shown: {', '.join(columns[fits:])}" if fits < len(columns) else ""
        made = Drawn(box=None, pad_edge=False, caption=text(f"{self._size()}{more}"), caption_justify="left")
        for column in columns[:fits]:
            made.add_column(text(column), no_wrap=True)
        for row in cells:
            made.add_row(*map(text, row[:fits]))
        return drawn(made)

    def _repr_html_(self) -> str:
        return html.table(self.columns, self._cells(), caption=self._size(), texts=None)

    def _size(self) -> str:
        more = f", the first {SHOWN} shown" if len(self) > SHOWN else ""
        return f"{len(self)} rows, {len(self.columns)} columns{more}"

    def _cells(self) -> list[list[str]]:
        return [[_short(v) for v in row.values()] for row in self._rows.slice(0, SHOWN).to_pylist()]


def samples(runs: Sequence[StoredRun]) -> Table:
    """One row a sample: the table of `harness export`, with a column for each score (`score_NAME` where the table has
    a column of that name)."""
    import pyarrow as pa

    from harness.interop import tables

    found = tables.samples(runs)
    scores: list[Mapping[str, float]] = [json.loads(s) if s else {} for s in found.column("scores").to_pylist()]
    at = found.column_names.index("scores")
    for name in reversed(dict.fromkeys(name for one in scores for name in one)):
        column = f"score_{name}" if name in found.column_names else name
        found = found.add_column(at, column, pa.array([one.get(name) for one in scores], pa.float64()))
    order = [c for c in found.column_names if c not in ("run", "scores", "details", "prompt", "cluster")]
    return Table(found.select([*order, "cluster", "details", "prompt", "run"]))


def metrics(runs: Sequence[StoredRun]) -> Table:
    """One row a metric in a group, with its interval: the table of `harness export`."""
    from harness.interop import tables

    return Table(tables.metrics(runs))


def readings(runs: Sequence[StoredRun]) -> Table:
    """One row a reading of a sample, what probes read: the table of `harness export`."""
    from harness.interop import tables

    return Table(tables.readings(runs))


def _short(value: Any) -> str:
    if isinstance(value, float):
        from harness.loggers.tables import number

        return number(value)
    shown = "" if value is None else str(value)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def _needs(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise Missing(f"{package} is not installed: pip install 'harness[{package}]'")

"""The numbers to take away: CSV, Parquet, the database, BibTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.sinks import csv_cell
from harness.leaderboard.board import BoardEntry
from harness.leaderboard.render import Renderer
from harness.plugins.cards import bibtex
from harness.plugins.plugin import Plugin
from harness.store.database import database

COLUMNS: tuple[str, ...] = (
    "run", "task", "data", "task_version", "limit", "model", "method", "settings", "origin", "ranked", "metric",
    "group", "value", "stderr", "low", "high", "n", "clusters", "higher_is_better", "seconds", "passes", "positions",
    "commit", "started",
)  # fmt: skip
LARGEST = 90_000_000
"""Bytes of a database that a page host takes in one file."""


def write(
    site: Renderer,
    found: Sequence[BoardEntry],
    results: Path,
    cards: Mapping[str, Mapping[str, Plugin]],
) -> None:
    """data/leaderboard.csv and .parquet: one row a metric; data/harness.duckdb; cite/<name>.bib."""
    rows = [row for entry in found for row in _rows(entry)]
    _csv(site, rows)
    _parquet(site, rows)
    path = database(results)
    whole = path.exists() and path.stat().st_size <= LARGEST
    if whole:
        site.bytes("data/harness.duckdb", path.read_bytes())
    for group in ("task", "method"):
        for name, plugin in sorted(cards[group].items()):
            if text := bibtex(plugin):
                site.text(f"cite/{group}-{name}.bib", text)
    site.page("downloads.html", "downloads.html", rows=len(rows), whole=whole, sizes=dict(site.written))


def _rows(entry: BoardEntry) -> list[dict[str, Any]]:
    plain = {
        **{k: entry.row[k] for k in ("run", "task", "data", "task_version", "limit", "model", "method")},
        "settings": entry.settings,
        "origin": entry.origin,
        "ranked": not entry.flaws,
        **{k: entry.cost.get(k) for k in ("seconds", "passes", "positions")},
        "commit": entry.row["git_commit"],
        "started": entry.row["started"].isoformat() if entry.row["started"] else None,
    }
    wanted = ("group", "value", "stderr", "low", "high", "n", "clusters", "higher_is_better")
    return [{**plain, "metric": m["name"], **{k: m[k] for k in wanted}} for m in entry.metrics]


def _csv(site: Renderer, rows: Sequence[dict[str, Any]]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: csv_cell(v) for k, v in row.items()} for row in rows)
    site.text("data/leaderboard.csv", out.getvalue())


def _parquet(site: Renderer, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {"value", "stderr", "low", "high", "seconds", "passes", "positions"}
    kinds = {"limit": pa.int64(), "n": pa.int64(), "clusters": pa.int64()}
    kinds |= {"ranked": pa.bool_(), "higher_is_better": pa.bool_()} | dict.fromkeys(numbers, pa.float64())
    schema = pa.schema([(c, kinds.get(c, pa.string())) for c in COLUMNS])
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema), out, compression="zstd")
    site.bytes("data/leaderboard.parquet", out.getvalue().to_pybytes())

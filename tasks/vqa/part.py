"""One table with its columns: each row's cells by role, or why it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import UsageError
from harness.records import unreadable
from harness.tasks.vqa import columns as roles
from harness.tasks.vqa.columns import Columns
from harness.tasks.vqa.row import Row, row_of
from harness.tasks.vqa.settings import AUTO, Settings
from harness.tasks.vqa.tables import Table

FEW = 10
"""Rows below which ids that repeat are mistakes."""
GROUPS = 50
"""Values at most of a column that is taken for groups by its name alone."""


@dataclass(frozen=True)
class Part:
    """One table with its columns, and each row's cells by role; a row that has none is why."""

    table: Table
    columns: Columns
    rows: Sequence[Row | str]


def part_of(table: Table, s: Settings) -> Part:
    """Raises UsageError where a column that is needed is not there."""
    there = [row for row in table.rows if not unreadable(row)]
    if not there:
        raise UsageError(f"{table.name}, {table.places[0]}: {unreadable(table.rows[0])}")
    columns = roles.columns(table.name, there, s.columns)
    names = list(dict.fromkeys(name for row in there for name in row))
    if "question" not in columns:
        raise roles.missing(table.name, "question", names)
    if "image" not in columns:
        raise roles.missing(table.name, "image", names, ", or ask without pictures by task.columns.image=none")
    if "answer" not in columns and "box" not in columns and s.kind in (AUTO, "yesno", "choice", "short", "number"):
        raise roles.missing(table.name, "answer", names, ", or store what models say, unscored, by task.kind=free")
    if "id" not in s.columns and (known := columns.get("id")) and _repeats(there, known[0]):
        del columns["id"]
    group = columns.get("group", ())
    if "group" not in s.columns and group and not 1 < len({str(r.get(group[0])) for r in there}) <= GROUPS:
        del columns["group"]
    rows: list[Row | str] = []
    for place, cells in zip(table.places, table.rows, strict=True):
        at = f"{table.name}, {place}"
        rows.append(f"{at}: {reason}" if (reason := unreadable(cells)) else row_of(at, cells, columns))
    return Part(table, columns, rows)


def _repeats(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether a column names something else than rows (a picture): a value stands in two rows or more on average."""
    return len(rows) >= FEW and 2 * len({str(row.get(column)) for row in rows}) <= len(rows)

"""The tables of a user's folder, or of a dataset on the hub: rows, each with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.answers.files import read as read_table
from harness.core import Missing, UsageError
from harness.records import existing, has, hub_table, plain_stem, read_text, record_files, rows
from harness.records.files import plain_suffix
from harness.records.rows import Broken, classes, labelled
from harness.tasks.vqa.columns import ROLES
from harness.tasks.vqa.settings import Settings

TABLES = (".csv", ".tsv", ".tab", ".xlsx")
SUFFIXES = (".jsonl", ".json", ".parquet", *TABLES)
SPLITS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval")
"""Folders of these names hold other records each."""
OURS = ("harness.duckdb", "run.json")
"""Files in folders that harness wrote itself: what lies there is not a question."""


@dataclass(frozen=True)
class Table:
    """Rows of one file in order; `places` says where each was ("row 3", "row 3 (line 7)")."""

    name: str
    places: Sequence[str]
    rows: Sequence[Any]

    @property
    def stem(self) -> str:
        return plain_stem(Path(self.name))


def tables(s: Settings) -> list[Table]:
    """Raises Missing (exit 3) where there is none, UsageError (exit 2) where it is open which one is meant."""
    if s.hub is not None:
        found = hub_table(s.hub, s.config, s.split, s.revision)
        return [Table(s.hub, _numbered(found), found)]
    root = existing(s.root or "", "a folder with a table of questions, or the table itself")
    files = [p for p in record_files(root, SUFFIXES) if not _ours(p, root)]
    if s.files:
        files = [p for p in files if any(_fits(p, root, pattern) for pattern in s.files)]
    if not files:
        chosen = f" that fits task.files={','.join(s.files)}" if s.files else ""
        raise Missing(
            f"task.root={root} holds no table{chosen}: it needs a .jsonl, .json, .parquet, .csv, .tsv or .xlsx file "
            "with one question per row"
        )
    found = [t for path in files if (t := _read(path, root)).rows]
    asking = [t for t in found if any(isinstance(r, Broken) or _asks(r) for r in t.rows)]
    found = asking or found
    if not found:
        raise UsageError(f"{files[0]} has no rows: give one question per row")
    if len({_series(t) for t in found}) > 1 and not s.files:
        names = ", ".join(t.name for t in found[:4])
        raise UsageError(
            f"task.root={root} holds {len(found)} tables ({names}): name one by task.root={root / found[0].name}, or "
            "several by task.files=[PATTERN,...]"
        )
    return found


def _read(path: Path, root: Path) -> Table:
    name = path.relative_to(root).as_posix() if path != root else path.name
    if plain_suffix(path) in TABLES:
        found = read_table(path)
        return Table(name, found.places, found.rows)
    listed = rows(path)
    if len(listed) == 1 and isinstance(listed[0], dict) and all(isinstance(v, dict) for v in listed[0].values()):
        listed = [{"id": key, **value} for key, value in listed[0].items()]
    if named := classes(path) if path.suffix == ".parquet" else {}:
        listed = [labelled(row, named) if isinstance(row, dict) else row for row in listed]
    return Table(name, _lines(path, len(listed)) or _numbered(listed), listed)


def _lines(path: Path, count: int) -> list[str]:
    """Where the rows of a file of JSON lines are, empty lines left aside; nothing for a file of another form."""
    if plain_suffix(path) != ".jsonl":
        return []
    filled = [n for n, line in enumerate(read_text(path).split("\n"), 1) if line.strip()]
    return [f"row {i} (line {n})" for i, n in enumerate(filled, 1)] if len(filled) == count else []


def _numbered(found: Sequence[Any]) -> list[str]:
    return [f"row {n}" for n in range(1, len(found) + 1)]


def _asks(row: Any) -> bool:
    """Whether a row has a column that could be a question."""
    return isinstance(row, dict) and has({str(k).lower(): v for k, v in row.items()}, ROLES["question"])


def _ours(path: Path, root: Path) -> bool:
    inside = [p for p in path.parents if p == root or p.is_relative_to(root)]
    return any((folder / name).exists() for folder in inside for name in OURS if folder != root or name == "run.json")


def _fits(path: Path, root: Path, pattern: str) -> bool:
    return fnmatchcase(path.name, pattern) or (path != root and fnmatchcase(path.relative_to(root).as_posix(), pattern))


def _series(table: Table) -> str:
    """What the parts of one table have in common: the name without numbers, the suffix, and the split it is of."""
    path = Path(table.name.lower())
    split = next((p for p in path.parts[:-1] if p in SPLITS), "")
    return split + re.sub(r"\d+|-of-", "#", table.stem.lower()) + plain_suffix(path)

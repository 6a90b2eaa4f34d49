"""Tables to rows: CSV and TSV of any program, workbooks, Parquet. Empty cells are missing values."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.answers.rows import Rows, broken, collected
from harness.core.errors import Missing, UsageError, first_line

DELIMITERS = (",", ";", "\t", "|")
LINE = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n|$)")
SEPARATOR = re.compile(r"sep=(.?)\s*", re.IGNORECASE)
"""Excel's own first line, which names the delimiter."""


def delimited(path: Path, text: str, suffix: str) -> Rows:
    """Raises UsageError for a row with more or fewer cells than the header, or a quote that does not close."""
    given, skipped = "", 0
    head = LINE.match(text)
    if head and (named := SEPARATOR.fullmatch(head[1])):
        given, text, skipped = named[1] or "\t", text[head.end() :], 1
    delimiter = given or ("\t" if suffix in (".tsv", ".tab") else _delimiter(text))
    form = "TSV" if delimiter == "\t" else "CSV"
    return collected(path, form, _cells(path, text, delimiter, skipped))


def _delimiter(text: str) -> str:
    """The one that cuts the header into most cells."""
    match = LINE.match(text.lstrip())
    header = match[1] if match else ""
    return max(DELIMITERS, key=lambda d: len(next(csv.reader([header], delimiter=d), [])))


def _cells(path: Path, text: str, delimiter: str, skipped: int) -> Iterator[tuple[str, dict[str, Any]]]:
    with _long_cells():
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header: list[str] | None = None
        number, line = 0, skipped + 1
        while True:
            place = f"row {number + 1} (line {line})" if header else f"line {line}"
            try:
                cells = next(reader, None)
            except csv.Error as e:
                broken(path, place, f"not a row of a table: {e}; a cell with quotes in it needs them doubled")
            if cells is None:
                return
            line = reader.line_num + skipped + 1
            if not any(c.strip() for c in cells):
                continue
            if header is None:
                header = _header(path, cells)
                continue
            number += 1
            if len(cells) > len(header) and not any(cells[len(header) :]):
                cells = cells[: len(header)]
            if len(cells) != len(header):
                more = f"put a cell that holds {_said(delimiter)} into quotes"
                fix = more if len(cells) > len(header) else "the row is cut"
                broken(path, place, f"{len(cells)} of the header's {len(header)} cells: {fix}")
            yield place, {k: v if v.strip() else None for k, v in zip(header, cells, strict=True)}


def _said(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}.get(delimiter, delimiter)


def _header(path: Path, cells: Sequence[Any]) -> list[str]:
    names = [str(c).strip() if c is not None and str(c).strip() else f"column {i}" for i, c in enumerate(cells, 1)]
    if twice := next((n for i, n in enumerate(names) if n in names[:i]), None):
        raise UsageError(f"{path} has two columns {twice!r}: remove or rename one of them")
    return names


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells of any length: the csv module's own limit is 131,072 characters."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def workbook(path: Path, data: bytes) -> Rows:
    """The one sheet with rows, as Excel last computed it. Raises Missing without openpyxl."""
    try:
        openpyxl: Any = import_module("openpyxl")
    except ImportError as e:
        raise Missing(f"{path} is an Excel workbook: pip install 'harness[xlsx]', or save it as CSV UTF-8") from e
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = {s.title: [list(row) for row in s.iter_rows(values_only=True)] for s in book.worksheets}
    except Exception as e:
        raise UsageError(f"{path} is not a readable workbook: {first_line(e)}") from e
    full = {name: rows for name, rows in sheets.items() if sum(any(c is not None for c in r) for r in rows) > 1}
    if len(full) > 1:
        raise UsageError(f"{path} has rows on several sheets ({', '.join(full)}): keep the one with the answers")
    if not full:
        return Rows(path, "xlsx", [], [])
    ((_, rows),) = full.items()
    return collected(path, "xlsx", _sheet(path, rows))


def _sheet(path: Path, rows: list[list[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    filled = [(n, row) for n, row in enumerate(rows, 1) if any(c is not None for c in row)]
    width = max(len(row) - next((i for i, c in enumerate(reversed(row)) if c is not None), 0) for _, row in filled)
    header = _header(path, [*filled[0][1], *[None] * width][:width])
    for number, row in filled[1:]:
        cells = [*row, *[None] * width][:width]
        whole = (int(c) if isinstance(c, float) and c.is_integer() else c for c in cells)
        yield (
            f"row {number}",
            {k: None if isinstance(v, str) and not v.strip() else v for k, v in zip(header, whole, strict=True)},
        )


def parquet(path: Path, data: bytes) -> Rows:
    """Every column but those of bytes: pictures are not needed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        leaves = [file.schema.column(i) for i in range(len(file.schema))]
        wanted = [c.path for c in leaves if c.physical_type != "BYTE_ARRAY" or c.logical_type.type != "NONE"]
        rows = file.read(columns=wanted).to_pylist()
    except (pa.ArrowException, OSError) as e:
        raise UsageError(f"{path} is not a readable Parquet file: {first_line(e)}") from e
    return collected(path, "Parquet", ((f"row {n}", row) for n, row in enumerate(rows, 1)))

"""`ids=` and `system=`, as they are typed or as a file holds them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from harness.core.errors import Missing, UsageError, not_json

FIELDS = ("id", "sample_id", "sample", "question_id", "doc_id")
"""Columns that may hold the ids of an export, the likeliest first."""
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".gz")


def ids_of(value: Any) -> list[str] | None:
    """The ids, each once; None for no selection.

    `value`: a list, "a,b", "[a,b]", JSON, or "@FILE": one id per line, a JSON list, or a table with a column of ids.
    Raises UsageError where it names none, Missing where the file cannot be read.
    """
    if value is None:
        return None
    found = value if isinstance(value, list | tuple) else _read(str(value))
    ids = list(dict.fromkeys(str(v) for v in found if str(v)))
    if not ids:
        raise UsageError(f"ids={value} names no sample: give ids=A,B or ids=@FILE, or leave it out")
    return ids


def system_of(value: Any) -> str | None:
    """The system message, as it is typed or as "@FILE" holds it; None for none."""
    if value is None or not str(value).startswith("@"):
        return None if value is None else str(value)
    path = Path(str(value)[1:]).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except OSError as e:
        raise Missing(f"system=@{path} cannot be read ({e.strerror or e}): give a file with the text") from e
    except ValueError as e:
        raise UsageError(f"system=@{path} is not a text in UTF-8: save it as UTF-8") from e
    if not text:
        raise UsageError(f"system=@{path} is empty: write the text into it, or leave it out")
    return text


def _read(text: str) -> list[Any]:
    if text.startswith("@"):
        return _file(Path(text[1:]).expanduser())
    if text.startswith("[") and text.endswith("]"):
        try:
            return _texts(json.loads(text), "ids")
        except (ValueError, RecursionError):
            text = text[1:-1]
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), [])]


def _file(path: Path) -> list[Any]:
    if path.suffix.lower() in TABLES:
        return _column(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise Missing(f"ids=@{path} cannot be read ({e.strerror or e}): give a file with one id per line") from e
    except ValueError as e:
        raise UsageError(f"ids=@{path} is not a text in UTF-8: give a file with one id per line") from e
    if text.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as e:
            raise UsageError(f"ids=@{path} is neither JSON ({not_json(e)}) nor a list with one id per line") from e
        if isinstance(value, list) and not any(isinstance(v, dict) for v in value):
            return _texts(value, f"@{path}")
        return _column(path)
    return [line.strip() for line in text.split("\n")]  # other separators may stand inside an id


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str | int) and not isinstance(v, bool) for v in value):
        raise UsageError(f"{where}: a list of ids may hold only texts and whole numbers")
    return [str(v) for v in value]


def _column(path: Path) -> list[Any]:
    """The ids in a table: of an export of this harness, or of another tool."""
    from harness.answers.files import read

    if not path.is_file():
        raise Missing(f"ids=@{path} is not a file: give a file with one id per line, or a table with a column id")
    rows = read(path)
    field = next((f for f in FIELDS if f in rows.fields), None)
    if field is None:
        raise UsageError(f"ids=@{path} has no column of ids: call it id (it has {', '.join(map(str, rows.fields))})")
    return [row[field] for row in rows.rows if row.get(field) is not None]

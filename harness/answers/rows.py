"""Rows of an answer file, each with its place, and the errors that name it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from harness.core.errors import UsageError

KEY = "key of the map"
VALUE = "value of the map"
"""The fields of a row that was an entry `key: value` of a JSON object."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """The rows of a file in order. `places` says where each was: "line 17", "row 3"; `form` what kind of file it is."""

    path: Path
    form: str
    places: list[str]
    rows: list[Row]

    def where(self, i: int) -> str:
        return f"{self.path}, {self.places[i]}"

    @cached_property
    def fields(self) -> list[str]:
        """Names of all fields, in the order in which they first occur."""
        return list(dict.fromkeys(key for row in self.rows for key in row))

    def inner(self, names: Iterable[str]) -> list[str]:
        """Fields of these names inside objects that rows hold: "doc.question"."""
        known = set(names)
        objects = ((k, v) for row in self.rows[:20] for k, v in row.items() if isinstance(v, dict))
        return list(dict.fromkeys(f"{k}.{f}" for k, v in objects for f in v if f in known))

    def __len__(self) -> int:
        return len(self.rows)


def broken(path: Path, place: str, reason: str) -> NoReturn:
    raise UsageError(f"{path}, {place}: {reason}")


def collected(path: Path, form: str, found: Iterable[tuple[str, Any]]) -> Rows:
    """Raises UsageError for the first (place, value) that is not an object with fields."""
    places: list[str] = []
    rows: list[Row] = []
    for place, value in found:
        if not isinstance(value, dict):
            broken(path, place, f"expected an object with the sample's id and the answer, found {kind(value)}")
        places.append(place)
        rows.append(value)
    return Rows(path, form, places, rows)


def kind(value: Any) -> str:
    """What a JSON value is, for a message."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", bytes: "bytes"}
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object ({', '.join(map(str, list(value)[:4]))})" if value else "an empty object"
    return names.get(type(value), f"a {type(value).__name__}")


def at(row: Row, field: str) -> Any:
    """A field's value; "a.b" is field b of the object in field a, unless there is a field of that name."""
    if field in row or "." not in field:
        return row.get(field)
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value

"""Pictures that know their record's name, so that a fault names its image; read when they are needed."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core import Picture, Unusable
from harness.core.files import DIGESTS
from harness.core.picture import Read


class Named(Picture):
    """A picture under the name that its record gives it."""

    def __init__(self, name: str, source: bytes | Path):
        super().__init__(source)
        self.name = name

    @cached_property
    def place(self) -> str:
        """Where it lies, without suffix: pictures at one place are one picture."""
        return place_of(self.name)

    def _read(self, how: Callable[[bytes, str], Read]) -> Read:
        try:
            return super()._read(how)
        except Unusable as e:
            if str(e).startswith("image "):
                raise
            raise Unusable(f"image {self.name[:200]}: {e}") from e


class Stored(Named):
    """Encoded bytes in a table's cell: bytes, {"bytes": ...}, or a function that fetches one of them when needed.

    What is fetched is not kept: a task may have more pictures than memory holds.
    """

    def __init__(self, name: str, cell: Any):
        self.name, self._cell = name, cell

    @property
    def source(self) -> bytes:  # pyright: ignore[reportIncompatibleVariableOverride]
        cell = self._cell() if callable(self._cell) else self._cell
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(data, bytes):
            raise Unusable(f"image {self.name}: the table holds {_kind(data)} where its bytes should be")
        return data

    def _where(self, data: bytes) -> str:
        return f"of {len(data)} bytes"

    def holds(self, cell: Any) -> bool:
        """Whether a cell has the same bytes. What would have to be fetched is taken to be the same."""
        own, other = (c.get("bytes") if isinstance(c, dict) else c for c in (self._cell, cell))
        return callable(own) or callable(other) or own is other or own == other

    def mark(self) -> str:
        """What tells this picture from another one in a fingerprint, without fetching anything."""
        return "" if callable(self._cell) else hashlib.sha256(self.source).hexdigest()


class Absent(Named):
    """A picture that was not found, or must not be read: it can be named and compared (`model=replay`), but not seen.
    `why` says so after the picture's name."""

    def __init__(self, name: str, why: str):
        super().__init__(name, Path(name))
        self.why = why

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(f"absent {self.name}".encode("utf-8", "surrogatepass")).hexdigest()

    def encoded(self) -> bytes:
        raise Unusable(f"image {self.name[:200]} {self.why}")


def place_of(name: str) -> str:
    """A picture's path as its record writes it, without suffix."""
    path = posixpath.normpath(name.replace("\\", "/")).lstrip("/")
    head, _, last = path.rpartition("/")
    stem = last.rsplit(".", 1)[0] if "." in last.lstrip(".") else last
    return f"{head}/{stem}" if head else stem


def table_pictures() -> Callable[[str, Any], Stored]:
    """A reader of cells that keeps one picture per image: tables repeat the bytes in every row. Other bytes under the
    same name are another picture, whose `place` ends in a number."""
    known: dict[str, list[Stored]] = {}

    def read(name: str, cell: Any) -> Stored:
        same = known.setdefault(name, [])
        for one in same:
            if one.holds(cell):
                return one
        same.append(Stored(name, cell))
        if len(same) > 1:
            same[-1].place += f"#{len(same)}"
        return same[-1]

    return read


def mark(picture: Picture) -> str:
    """Part of the fingerprint: the digest of its bytes, "absent", "unreadable", or nothing where they are fetched."""
    if isinstance(picture, Absent):
        return "absent"
    if isinstance(picture, Stored):
        return picture.mark()
    try:
        return DIGESTS.of(picture.source) if isinstance(picture.source, Path) else picture.digest
    except OSError:
        return "unreadable"


LATER = {"later": True}
"""Metadata of a dataclass field that records did not always have."""


def facts(record: Any) -> list[Any]:
    """A record (a dataclass) for a fingerprint: all of its fields, pictures by their marks. Fields that came later
    (`LATER`) count where they are set, so that fingerprints of older records stay."""
    values = [(f, getattr(record, f.name)) for f in fields(record)]
    return [_fact(value) for f, value in values if not (f.metadata.get("later") and value == f.default)]


def _fact(value: Any) -> Any:
    if isinstance(value, Picture):
        return mark(value)
    if is_dataclass(value) and not isinstance(value, type):
        return facts(value)
    if isinstance(value, list | tuple):
        return [_fact(v) for v in value]
    return sorted(value) if isinstance(value, frozenset | set) else value


def shown(data: Mapping[str, Any]) -> list[Picture]:
    """The pictures that a sample's `data` holds, by itself, in a list, or in a record."""
    out: list[Picture] = []
    for value in data.values():
        record = {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else {}
        for one in (value, *record.values()):
            out += [one] if isinstance(one, Picture) else []
            out += [v for v in one if isinstance(v, Picture)] if isinstance(one, list | tuple) else []
    return out


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"

"""Pictures that know their record's name, so that a fault names its image; read when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from harness.core import Picture, Unusable
from harness.core.files import DIGESTS
from harness.core.types import Read

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Named(Picture):
    """A picture under the name that its record gives it."""

    def __init__(self, name: str, source: bytes | Path):
        super().__init__(source)
        self.name = name

    def _read(self, how: Callable[[bytes, str], Read]) -> Read:
        try:
            return super()._read(how)
        except Unusable as e:
            raise Unusable(f"image {self.name}: {e}") from e


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

    def mark(self) -> str:
        """What tells this picture from another one in a fingerprint, without fetching anything."""
        return "" if callable(self._cell) else hashlib.sha256(self.source).hexdigest()


class Absent(Named):
    """A picture whose file was not found: it can be named and compared (`model=replay`), but not seen."""

    def __init__(self, name: str, where: str):
        super().__init__(name, Path(name))
        self.where = where

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(f"absent {self.name}".encode()).hexdigest()

    def encoded(self) -> bytes:
        raise Unusable(f"image {self.name} is not in {self.where}: put it there, or give its folder by task.images=DIR")


class Folder:
    """Finds pictures by file name below some folders; one Picture object per name."""

    def __init__(self, folders: list[Path]):
        self.folders = [f for f in folders if f.is_dir()]
        self.where = str(folders[0])
        self._known: dict[str, Named] = {}

    def __call__(self, name: str) -> Named:
        if name not in self._known:
            path = self._path(name)
            self._known[name] = Named(name, path) if path else Absent(name, self.where)
        return self._known[name]

    def _path(self, name: str) -> Path | None:
        plain = PurePosixPath(name.replace("\\", "/")).name
        for folder in self.folders:
            if plain and (folder / plain).is_file():
                return folder / plain
        return self._index.get(plain) or self._index.get(PurePosixPath(plain).stem) if plain else None

    @cached_property
    def _index(self) -> dict[str, Path]:
        """Every picture by name, and by name without suffix; made once, when a picture is not at its plain place."""
        index: dict[str, Path] = {}
        for path in self._pictures():
            index.setdefault(path.name, path)
            index.setdefault(path.stem, path)
        return index

    def _pictures(self) -> Iterator[Path]:
        for folder in self.folders:
            yield from sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def table_pictures() -> Callable[[str, Any], Stored]:
    """A reader of cells that keeps one picture per image name: tables repeat the bytes in every row."""
    known: dict[str, Stored] = {}
    return lambda name, cell: known.setdefault(name, Stored(name, cell))


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


def facts(record: Any) -> list[Any]:
    """A record (a dataclass) for a fingerprint: all of its fields, pictures by their marks."""
    return [_fact(getattr(record, f.name)) for f in fields(record)]


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

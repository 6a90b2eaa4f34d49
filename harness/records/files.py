"""Which files of a user's folder hold records, and which are beside them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import Missing
from harness.records.rows import Broken, rows

ROWS = (".json", ".jsonl", ".parquet")
"""Suffixes of files with rows; each may also be packed (`.jsonl.gz`)."""
FOREIGN = ("__MACOSX",)
"""Folders that other programs leave behind."""


def existing(root: str | Path, wanted: str, setting: str = "task.root") -> Path:
    """The path, if something lies there. Raises Missing, which says what is wanted."""
    path = Path(root)
    if kind(path) is None:
        raise Missing(f"{setting}={str(root)[:200]} does not exist: give {wanted}")
    return path


def picture_folder(images: str | None, setting: str = "task.images") -> Path | None:
    """The folder with pictures that a setting names. Raises Missing."""
    if images is not None and kind(Path(images)) != "folder":
        raise Missing(f"{setting}={images[:200]} is not a folder: give the folder that holds the pictures")
    return Path(images) if images is not None else None


def kind(path: Path) -> str | None:
    """ "file", "folder", or "other" (a named pipe, a device); None where nothing is, or the path cannot be one."""
    try:
        return "file" if path.is_file() else "folder" if path.is_dir() else "other" if path.exists() else None
    except (OSError, ValueError):
        return None


def walk(root: Path) -> Iterator[Path]:
    """Every regular file below a folder in a fixed order, without hidden files and folders, copies that notebooks keep,
    and what other programs leave behind. Links to folders are not followed."""
    for folder, names, found in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in FOREIGN)
        for name in sorted(found):
            path = Path(folder, name)
            if not name.startswith(".") and not path.stem.endswith("-checkpoint") and kind(path) == "file":
                yield path


def plain_suffix(path: Path) -> str:
    """The suffix in lower case, without .gz."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def plain_stem(path: Path) -> str:
    """The name without suffix and .gz."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


def labels(files: Sequence[Path], root: Path, named: Callable[[Path], str] = plain_stem) -> dict[Path, str]:
    """What ids of rows call their files: as `named` does, or by the path where several are named alike."""
    count = Counter(map(named, files))
    return {p: named(p) if count[named(p)] == 1 else p.relative_to(root).as_posix() for p in files}


def record_files(root: Path, suffixes: Sequence[str] = ROWS) -> list[Path]:
    """The file itself, or the files of a folder that may hold rows, by suffix and then by name."""
    if kind(root) == "file":
        return [root]
    found = [p for p in walk(root) if plain_suffix(p) in suffixes]
    return sorted(found, key=lambda p: (suffixes.index(plain_suffix(p)), p))


def tables(
    files: Sequence[Path], fields: Sequence[str], read: Callable[[Path], list[Any]] = rows
) -> Iterator[tuple[Path, list[Any]]]:
    """Each file with its rows. Of several files, those are left out that hold rows, but none with one of the fields:
    a description of a dataset is not a set of questions."""
    for path in files:
        found = read(path)
        if len(files) == 1 or not found or any(isinstance(r, Broken) or has(r, fields) for r in found):
            yield path, found


def has(row: Any, fields: Sequence[str]) -> bool:
    """Whether a row is an object with one of these fields."""
    return isinstance(row, dict) and any(name in row for name in fields)

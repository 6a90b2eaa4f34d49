"""Files of a run, written so that a reader, also after a power cut, sees the old file or the new one."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.core.secrets import clean

LOCK = ".lock"
"""Held by the process that writes a run; the system lets go of it when that process dies."""


def held(folder: Path) -> bool:
    """Whether a process writes the run in a folder; True also where the file system does not tell."""
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def write_json(path: Path, value: Any) -> None:
    """Atomic, and on the disk when this returns. Secrets are left out."""
    write_text(path, [json.dumps(clean(value), indent=1, default=str) + "\n"])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Atomic, and on the disk when this returns."""
    write_text(path, (f"{line}\n" for line in lines))


def write_text(path: Path, parts: Iterable[str]) -> None:
    """Atomic, and on the disk when this returns. Nothing is left beside it where that fails, as on a full disk."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as e:
        fresh.unlink(missing_ok=True)
        raise OSError(e.errno, e.strerror, str(path)) from e
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync(path.parent)


def append(handle: int, data: bytes, path: Path) -> None:
    """After what is in an open file, and on the disk when this returns."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(handle, view) :]
        if data:
            os.fsync(handle)
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from e


def sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove what a killed process left of writing these files. The caller must hold the folder's lock."""
    for name in names:
        for left in folder.glob(f".{name}.*"):
            left.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """The folder's list of names, onto the disk. Some file systems cannot do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)

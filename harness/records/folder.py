"""Finds the pictures that records name, below the folder that the user named and nowhere else."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

from harness.core.errors import Unusable
from harness.records.files import kind, walk
from harness.records.pictures import Absent, Named, place_of

SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif", ".heic"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".jp2", ".qoi"),
}
"""Of pictures that a record may name without their suffix."""
Parts = tuple[str, ...]


class Folder:
    """One Picture object per name. A record's relative path comes first, then the file whose path ends most like it; of
    files that fit alike none is taken.

    Args:
        folders: Where to look, in this order.
        within: Nothing outside it is read, by `..`, by an absolute path or through a link; None: the folders.
    """

    def __init__(self, folders: Sequence[Path], within: Path | None = None):
        self.folders = [f for f in dict.fromkeys(folders) if kind(f) == "folder"]
        self.where = str(within or next(iter(self.folders or folders), "these records"))
        self._allowed = [p for f in ([within] if within else self.folders) for p in allowed(f)]
        self._known: dict[str, Named] = {}
        self._real: dict[Path, str] = {}
        self._named: dict[Path, list[Parts]] = {}

    def __call__(self, name: str) -> Named:
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Named:
        parts = parts_of(name)
        if not parts:
            return Absent(name, "is no name of a file")
        outside = False
        for folder in self.folders:
            path = folder.joinpath(*parts)
            if kind(path) == "file":
                if self._inside(path):
                    self._named.setdefault(path, []).append(parts)
                    return Located(name, path, self._place(path))
                outside = True
        found = self._alike(parts)
        if len(found) == 1:
            (path,) = found
            return Guessed(name, path, self._place(path), parts, self._named.setdefault(path, []))
        if found:
            listed = " and ".join(sorted("/".join(own) for own in found.values())[:2])
            return Absent(name, f"fits {len(found)} files ({listed}): write the path in the record")
        if outside:
            return Absent(
                name, f"lies outside {self.where}: nothing outside is read; name its folder by task.images=DIR"
            )
        return Absent(name, f"is not in {self.where}: put it there, or give its folder by task.images=DIR")

    def _alike(self, parts: Parts) -> dict[Path, Parts]:
        """The files whose paths end in the most parts of this one; else those with its name and another suffix."""
        last = _same(parts[-1])
        stem = PurePosixPath(last).stem if PurePosixPath(last).suffix.lower() in SUFFIXES else last
        for index, own in ((self._index, last), (self._stems, stem)):
            if there := index.get(own):
                fit = {path: _common(rel[:-1], parts[:-1]) for path, rel in there.items()}
                return {path: there[path] for path, n in fit.items() if n == max(fit.values())}
        return {}

    @cached_property
    def _index(self) -> dict[str, dict[Path, Parts]]:
        """Every file by its name, made once, when a picture is not where its record says."""
        index: dict[str, dict[Path, Parts]] = {}
        seen: set[str] = set()
        for folder in self.folders:
            for path in walk(folder):
                real = os.path.realpath(path)
                if real not in seen and self._inside(path):
                    seen.add(real)
                    index.setdefault(_same(path.name), {})[path] = path.relative_to(folder).parts
        return index

    @cached_property
    def _stems(self) -> dict[str, dict[Path, Parts]]:
        """Every picture by its name without suffix."""
        stems: dict[str, dict[Path, Parts]] = {}
        for there in self._index.values():
            for path, rel in there.items():
                if path.suffix.lower() in SUFFIXES:
                    stems.setdefault(_same(path.stem), {})[path] = rel
        return stems

    def _place(self, path: Path) -> str:
        """Its path in the first folder that holds it, however the record writes it."""
        return next(path.relative_to(f).as_posix() for f in self.folders if path.is_relative_to(f))

    def _inside(self, path: Path) -> bool:
        folder = path.parent
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        real = os.path.realpath(path) if path.is_symlink() else f"{self._real[folder]}{os.sep}{path.name}"
        return any(real == a or real.startswith(a.rstrip(os.sep) + os.sep) for a in self._allowed)


def beside(root: Path, images: Path | None, *names: str) -> Folder:
    """The pictures of a file or folder with records: in `images` where it is given; else in its folder, first in
    those of these names."""
    if images:
        return Folder([images])
    base = root if kind(root) == "folder" else root.parent
    return Folder([base / "images", *(base / name for name in names), base], within=base)


class Located(Named):
    """A picture file. `place` is its path in the folder where it was looked for."""

    def __init__(self, name: str, path: Path, place: str):
        super().__init__(name, path)
        self.place = place_of(place)


class Guessed(Located):
    """A picture file whose path is not the record's. It is not read where another record names it by another path."""

    def __init__(self, name: str, path: Path, place: str, parts: Parts, others: list[Parts]):
        super().__init__(name, path, place)
        others.append(parts)
        self.parts, self.others = parts, others

    def encoded(self) -> bytes:
        if rival := next((other for other in self.others if _apart(other[:-1], self.parts[:-1])), None):
            other = "/".join(rival)
            raise Unusable(f"image {self.name[:200]} is not there, and its name is that of {other}: write its own path")
        return super().encoded()


def parts_of(name: str) -> Parts:
    """A path as a record writes it, on any system, without what leads out of a folder."""
    windows = PureWindowsPath(name)
    plain = posixpath.normpath(windows.as_posix().removeprefix(windows.anchor.replace("\\", "/")))
    return tuple(p for p in plain.split("/") if p not in ("", ".", ".."))


def allowed(folder: Path) -> list[str]:
    """Real paths below which a folder's files may lie: itself; of a snapshot of the hub's cache its blobs, too."""
    real = os.path.realpath(folder)
    blobs = [p.with_name("blobs") for p in Path(real).parents if p.name == "snapshots"]
    return [real, *(str(p) for p in blobs if p.is_dir())]


def _common(a: Parts, b: Parts) -> int:
    """How many parts two paths share at their ends."""
    n = 0
    while n < min(len(a), len(b)) and _same(a[-1 - n]) == _same(b[-1 - n]):
        n += 1
    return n


def _apart(a: Parts, b: Parts) -> bool:
    """Whether two paths of folders cannot be the same, however far up they begin."""
    return _common(a, b) < min(len(a), len(b))


def _same(name: str) -> str:
    """One spelling of a file name, however its system composes accents."""
    return unicodedata.normalize("NFC", name)

"""Pictures as lmms-eval's `doc_to_visual` returns them, fetched when needed, and where they stand in a text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from harness.core import Picture, Unusable, pixels
from harness.core.errors import first_line
from harness.core.files import DIGESTS

MARK = "<image>"


class Visual(Picture):
    """The n-th of a document's pictures. Two that look alike are the same picture."""

    def __init__(self, fetch: Callable[[], Any], name: str):
        self._fetch, self.name = fetch, name

    def _image(self) -> Image.Image:
        try:
            found = self._fetch()
        except Exception as e:
            raise Unusable(f"picture {self.name} cannot be read: {type(e).__name__}: {e}") from e
        if not isinstance(found, Image.Image):
            raise Unusable(f"{self.name} is a {type(found).__name__}, not a picture: video and sound are not bridged")
        return found

    @cached_property
    def digest(self) -> str:
        image = self.load()
        head = f"{image.mode} {image.size}".encode()
        return hashlib.sha256(head + image.tobytes()).hexdigest()

    @cached_property
    def size(self) -> tuple[int, int]:
        return self.load().size

    def load(self) -> Image.Image:
        image = self._image()
        try:
            return pixels.seen(image, f"picture {self.name}")
        except Unusable as e:
            raise Unusable(f"picture {self.name} is {e}") from e
        except Exception as e:
            raise Unusable(f"picture {self.name} cannot be read: {first_line(e)}") from e

    def encoded(self) -> bytes:
        return pixels.png(self.load())

    def portable(self) -> tuple[str, bytes]:
        return "image/png", self.encoded()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and self.digest == other.digest

    __hash__ = Picture.__hash__

    def __repr__(self) -> str:
        return f"Visual({self.name})"


def shared(docs: Any) -> list[str]:
    """For each document what its stored pictures are known by: documents with equal ones share a name; "" without.

    The bytes are hashed as they are stored, nothing is decoded.
    """
    from datasets import Dataset
    from datasets import Image as Stored

    columns = [n for n, kind in docs.features.items() if isinstance(kind, Stored)] if isinstance(docs, Dataset) else []
    if not columns:
        return [""] * len(docs)
    raw: Any = docs.select_columns(columns)
    for name in columns:
        raw = raw.cast_column(name, Stored(decode=False))
    out = []
    for row in raw:
        digest = hashlib.sha256()
        for cell in row.values():
            digest.update(_stored(cell) if cell else b"none")
        out.append(digest.hexdigest()[:16])
    return out


def _stored(cell: dict[str, Any]) -> bytes:
    """A cell's bytes; of one that names a file what tells its contents."""
    if cell["bytes"]:
        return cell["bytes"]
    path = Path(str(cell["path"]))
    return (DIGESTS.of(path) if path.is_file() else str(path)).encode()


def visuals(see: Callable[[Any], Any], document: Callable[[], Any], name: str) -> list[Visual]:
    """Pictures of one document: what `see` (lmms-eval's `doc_to_visual`) finds. Raises Unusable where it fails."""

    def fetch() -> Sequence[Any]:
        found = see(document())
        return [] if found is None else found if isinstance(found, list | tuple) else [found]

    try:
        count = len(fetch())
    except Exception as e:
        raise Unusable(f"the pictures of document {name} cannot be read: {type(e).__name__}: {e}") from e
    return [Visual(lambda n=n: fetch()[n], f"{name}:{n}") for n in range(count)]


def placed(context: str, pictures: Sequence[Picture]) -> list[str | Picture]:
    """Pictures where the context marks them by `<image>`, or before it."""
    pieces = context.split(MARK)
    if len(pieces) == 1 or len(pieces) - 1 != len(pictures):
        return [*pictures, context.replace(MARK, "") if pictures else context]
    parts: list[str | Picture] = []
    for n, piece in enumerate(pieces):
        text = piece.removeprefix("\n") if n else piece  # the chat template breaks the line after a picture
        parts += [text, *pictures[n : n + 1]]
    return [p for p in parts if p != ""]

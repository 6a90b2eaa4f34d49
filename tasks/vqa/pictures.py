"""Pictures as a cell holds them: names of files, bytes, data URLs, base64, references to another row, or a list."""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.core import Picture
from harness.records import Stored
from harness.records.pictures import Named
from harness.tasks.vqa.kinds.kind import text
from harness.tasks.vqa.record import Bad

BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
REFERENCE = 64
"""VLMEvalKit: a cell of at most so many characters is the index of the row that holds the picture."""


class Finder:
    """Reads the cells of one table.

    Args:
        folder: Name -> picture file.
        known: Id of a row -> its cell, for references.
    """

    def __init__(self, folder: Callable[[str], Named], known: Mapping[str, Any]):
        self.folder, self.known = folder, known
        self._stored: dict[str, Stored] = {}

    def __call__(self, cell: Any, named: str, where: str) -> list[Named]:
        """The pictures of a cell in order. Raises Bad.

        Args:
            named: What the row calls its picture in another column; empty where it does not.
            where: The row, for a picture without a name.
        """
        cells = listed(cell)
        names = listed(named)
        return [
            self._one(c, names[i] if len(names) == len(cells) else "", f"{where}#{i + 1}" if i else where)
            for i, c in enumerate(cells)
        ]

    def _one(self, cell: Any, named: str, where: str) -> Named:
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            cell = text(cell)
        if isinstance(cell, str):
            said = cell.strip()
            if len(said) <= REFERENCE and holds(target := self.known.get(said)):
                return self._one(target, named, where)
            if said.lower().startswith(("http://", "https://")):
                raise Bad(f"holds a web address ({said[:80]}): download the picture and give its path")
            if not holds(said):
                return self.folder(said)
            return self._kept(decoded(said), named or where)
        there = cell() if callable(cell) else cell
        data, path = (there.get("bytes"), there.get("path")) if isinstance(there, dict) else (there, None)
        if data is None and isinstance(path, str):
            return self.folder(path)
        if not isinstance(data, bytes):
            raise Bad(
                f"holds {'nothing' if data is None else type(data).__name__} where a picture's name or bytes belong"
            )
        return self._kept(data, named or path or where, cell if callable(cell) else data)

    def _kept(self, data: bytes, name: str, cell: Any = None) -> Stored:
        """One picture per content: questions about it are one cluster, whatever their rows call it."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._stored:
            self._stored[digest] = Content(name, cell if cell is not None else data, digest)
        return self._stored[digest]


class Content(Stored):
    """A picture known by its bytes."""

    def __init__(self, name: str, cell: Any, digest: str):
        super().__init__(name, cell)
        self.place, self._mark = digest[:16], digest

    def mark(self) -> str:
        return self._mark


def holds(value: Any) -> bool:
    """Whether a text is a picture and not its name."""
    if not isinstance(value, str):
        return False
    long = len(value) > REFERENCE and "." not in value[:REFERENCE]
    return value.startswith("data:") or (long and BASE64.fullmatch(value) is not None)


def decoded(text: str) -> bytes:
    """A data URL or base64 as bytes. Raises Bad."""
    head, comma, body = text.partition(",") if text.startswith("data:") else ("", "", text)
    if text.startswith("data:") and (not comma or "base64" not in head):
        raise Bad(f"holds a data URL that is not base64 ({head[:40]})")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as e:
        raise Bad(f"holds a picture that is not base64: {e}") from None


def listed(cell: Any) -> list[Any]:
    """A cell's values: of a list each, also where a table writes it as text (['a', 'b']); none of an empty cell."""
    if isinstance(cell, str) and cell.strip().startswith("[") and cell.strip().endswith("]"):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(cell)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list):
                cell = found
                break
    if isinstance(cell, list | tuple):
        return [c for c in cell if not _missing(c)]
    return [] if _missing(cell) else [cell]


def _missing(value: Any) -> bool:
    """Nothing: null, an empty text, or the NaN that pandas writes."""
    return value is None or value == "" or (isinstance(value, float) and value != value)


MARK = re.compile(r"<image(?:[ _]?(\d+))?>")


def placed(text: str, pictures: Sequence[Picture]) -> list[str | Picture]:
    """The pictures where a text marks them (<image>, <image 2>), those without a mark in front. Raises Bad."""
    parts: list[str | Picture] = []
    left, end = list(range(len(pictures))), 0
    for place, found in enumerate(MARK.finditer(text)):
        wanted = int(found[1]) - 1 if found[1] else place
        if not 0 <= wanted < len(pictures):
            raise Bad(f"the question shows picture {wanted + 1}, and the row has {len(pictures)}")
        parts += [text[end : found.start()], pictures[wanted]]
        left = [i for i in left if i != wanted]
        end = found.end()
    parts.append(text[end:])
    return [pictures[i] for i in left] + [p for p in parts if p != ""]

"""What another tool's log holds about one task, in our terms."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, not_json
from harness.core.types import Result

LARGEST = 2**30
"""Bytes of the largest file that is read at once, and of the largest member of a packed log."""


class Odd(UsageError):
    """A file is not what its name promises; the message tells where."""


@dataclass(frozen=True)
class Stated:
    """A metric as the log states it. `stderr` is None where it gives none."""

    name: str
    value: float
    stderr: float | None = None
    higher_is_better: bool | None = True


@dataclass(frozen=True)
class Log:
    """One task of one log. `tool` is lm_eval, lmms_eval or inspect; `files` are what was read."""

    tool: str
    version: str
    task: str
    task_version: str
    model: str
    method: str
    started: str | None
    finished: str | None
    limit: int | None
    results: list[Result] = field(repr=False)
    stated: list[Stated] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    files: tuple[Path, ...] = ()
    aborted: bool = False
    note: str = ""
    """What the user should know, for example that there are no samples."""


def number(value: Any) -> float | None:
    """A finite number (no boolean, no text such as "N/A")."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is a mapping, else an empty one: a field of the wrong kind is one that is not there."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """The same for lists."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A response as one text: lists of one are unwrapped, others are written as JSON."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parsed(data: bytes | str, where: str, first: int = 1) -> Any:
    """JSON. Raises Odd where it is not, or is nested too deep. `first`: the line of the file on which it begins."""
    try:
        return json.loads(data.decode(json.detect_encoding(data), "replace") if isinstance(data, bytes) else data)
    except ValueError as e:
        raise Odd(f"{where} is not valid JSON: {not_json(e, first)}") from e
    except RecursionError as e:
        raise Odd(f"{where} is nested too deep") from e


def whole(path: Path) -> bytes:
    """A file that is read at once. Raises Odd for one that cannot be, or is larger than a log ever is."""
    try:
        if path.stat().st_size > LARGEST:
            raise Odd(f"{path} has {path.stat().st_size / 1e9:.1f} GB: a log has {LARGEST / 1e9:.1f} at most")
        return path.read_bytes()
    except OSError as e:
        raise Odd(f"{path} cannot be read ({e.strerror or e})") from e


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of a JSONL file, or of a file with one list of objects, as lm-eval 0.4.0 to 0.4.2 wrote it.

    Raises Odd at a line that is none; a torn last line is left out.
    """
    with path.open("rb") as file:
        if file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
            yield from enumerate(_rows(parsed(whole(path), str(path)), path), 1)
            return
        file.seek(0)
        for count, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = parsed(line, f"{path}, line {count}", count)
            except Odd:
                if not line.endswith(b"\n"):
                    return
                raise
            yield count, _rows([row], path, count)[0]


def _rows(rows: Any, path: Path, first: int = 1) -> list[dict[str, Any]]:
    for count, row in enumerate(rows, first):
        if not isinstance(row, dict):
            raise Odd(f"{path}, line {count} is not an object")
    return rows


def merged(rows: Sequence[dict[str, Any]], key: str) -> dict[Any, list[dict[str, Any]]]:
    """Rows by a field, in order of appearance."""
    out: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        out.setdefault(row.get(key), []).append(row)
    return out

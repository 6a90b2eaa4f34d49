"""What another tool's log holds about one task, in our terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.types import Result


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


def number(value: Any) -> float | None:
    """A number (no boolean, no text such as "N/A")."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def text(value: Any) -> str:
    """A response as one text: lists of one are unwrapped, others are written as JSON."""
    import json

    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of a JSONL file. Raises Odd at a line that is none; a torn last line is left out."""
    import json

    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8", "replace"))
            except ValueError as e:
                if not line.endswith(b"\n"):
                    return
                raise Odd(f"{path}, line {count} is not JSON: {e}") from e
            if not isinstance(row, dict):
                raise Odd(f"{path}, line {count} is not an object")
            yield count, row


def merged(rows: Sequence[dict[str, Any]], key: str) -> dict[Any, list[dict[str, Any]]]:
    """Rows by a field, in order of appearance."""
    out: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        out.setdefault(row.get(key), []).append(row)
    return out

"""JSON lines, JSON lists and JSON objects of any nesting to rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.answers.layouts import ANSWERS, IDS
from harness.answers.rows import KEY, VALUE, Rows, broken, collected, kind
from harness.core.errors import UsageError

WRAPPERS = ("results", "answers", "predictions", "details", "sentences", "annotations", "samples", "rows", "data")
"""Keys under which programs put their list of rows, or their map of answers."""
BLANK = re.compile(r"[ \t\r\n]*")


def documents(path: Path, text: str) -> Rows:
    """Raises UsageError that names the line of what cannot be read."""
    if "\n" not in text:
        text = text.replace("\r", "\n")  # JSON has no raw line end inside a text
    start = _next(text, 0)
    if start == len(text):
        return Rows(path, "JSON lines", [], [])
    try:
        first, end = DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as e:
        if _alone(text, start) or text[start] == "[":
            line = getattr(e, "lineno", 1)
            broken(path, f"line {line}", _reason(e))
        return collected(path, "JSON lines", _lines(path, text))
    if _next(text, end) < len(text):
        pretty = "\n" in text[start:end]
        return collected(path, "JSON lines", _values(path, text) if pretty else _lines(path, text))
    return _single(path, first)


def _lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Cut at line feeds alone: other separators may stand inside a text."""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.lstrip("\ufeff")  # of files that were put together
        if line.strip():
            try:
                yield f"line {number}", DECODER.decode(line)
            except (ValueError, RecursionError) as e:
                broken(path, f"line {number}", _reason(e))


def _values(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Objects of several lines each, one after another."""
    at, number = _next(text, 0), 0
    while at < len(text):
        number += 1
        try:
            value, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as e:
            broken(path, f"line {getattr(e, 'lineno', 1)}", _reason(e))
        yield f"row {number}", value
        at = _next(text, at)


def _single(path: Path, value: Any) -> Rows:
    if isinstance(value, list):
        return collected(path, "JSON list", ((f"row {n}", row) for n, row in enumerate(value, 1)))
    if not isinstance(value, dict):
        broken(path, "line 1", f"expected rows, found {kind(value)}")
    if _is_row(value):
        return collected(path, "JSON lines", [("line 1", value)])
    lists = [k for k, v in value.items() if isinstance(v, list) and v and all(isinstance(r, dict) for r in v)]
    inner = [k for k in lists if k in WRAPPERS] or lists
    if len(inner) > 1:
        raise UsageError(f"{path} holds several lists of rows ({', '.join(inner)}): keep the one with the answers")
    if inner:
        return collected(
            path, f"JSON list under {inner[0]}", ((f"row {n}", r) for n, r in enumerate(value[inner[0]], 1))
        )
    wrapped = [k for k in WRAPPERS if isinstance(value.get(k), list | dict)]
    if wrapped and (len(value) == 1 or not all(isinstance(v, dict) for v in value.values())):
        return _single(path, value[wrapped[0]])
    return collected(path, "JSON map", ((f"entry {k}", _entry(k, v)) for k, v in value.items()))


def _is_row(value: dict[str, Any]) -> bool:
    """A file of one row, and not a map whose keys are ids."""
    return any(k in IDS and not isinstance(value[k], dict) for k in value) and any(k in ANSWERS for k in value)


def _entry(key: str, value: Any) -> dict[str, Any]:
    return {KEY: key, **value} if isinstance(value, dict) else {KEY: key, VALUE: value}


def _alone(text: str, start: int) -> bool:
    """Whether the text is one document over several lines and not one per line: its first line ends inside it."""
    head = text[start:].split("\n", 1)[0].strip()
    return head in ("{", "[") or head.endswith((",", "{", "["))


def _next(text: str, at: int) -> int:
    match = BLANK.match(text, at)
    return match.end() if match else at


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that stands in it twice with two values is an error and not silently the later one."""
    made = dict(pairs)
    if len(made) < len(pairs):
        for key, value in pairs:
            if made[key] != value:
                raise ValueError(f"key {key!r} occurs twice with different values")
    return made


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "JSON that is nested too deeply"
    said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    column = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
    return f"broken JSON: {said}{column}"

"""Tables and texts for a notebook: plain HTML, with everything that others wrote escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from harness.core.sinks import line


def text(value: Any) -> str:
    """A value as one escaped line of HTML."""
    return escape(line(value))


def block(value: str) -> str:
    """A text with its line breaks."""
    lines = "\n".join(line(part) for part in value.split("\n"))
    return f'<pre style="white-space: pre-wrap; text-align: left; margin: 0">{escape(lines)}</pre>'


def table(heads: Sequence[Any], rows: Iterable[Sequence[Any]], *, caption: str = "", texts: int | None = 1) -> str:
    """Cells as text, each on one line. `texts`: the first columns, which are set to the left; None: all of them."""
    sides = ["left" if texts is None or i < texts else "right" for i in range(len(heads))]
    aligned = [f'style="text-align: {side}; white-space: nowrap"' for side in sides]
    head = "".join(f"<th {a}>{text(h)}</th>" for a, h in zip(aligned, heads, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td {a}>{text(c)}</td>' for a, c in zip(aligned, row, strict=True))}</tr>" for row in rows
    )
    said = f"<div>{text(caption)}</div>" if caption else ""
    made = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'{said}<div style="overflow-x: auto">{made}</div>'


def lines(texts: Iterable[Any]) -> str:
    """One below the other."""
    return f"<div>{'<br>'.join(map(text, texts))}</div>"

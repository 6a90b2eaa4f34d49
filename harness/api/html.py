"""Tables and texts for a notebook: plain HTML, with everything that others wrote escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from harness.core.sinks import line


def text(value: Any) -> str:
    """One line."""
    return escape(line(value))


def block(value: str) -> str:
    """A text with its line breaks."""
    lines = "\n".join(line(part) for part in value.split("\n"))
    return f'<pre style="white-space: pre-wrap; text-align: left; margin: 0">{escape(lines)}</pre>'


def table(heads: Sequence[Any], rows: Iterable[Sequence[Any]], *, caption: str = "", numbers: bool = True) -> str:
    """Cells as text. `numbers`: all columns but the first are set to the right."""
    side = "right" if numbers else "left"
    aligned = [f'style="text-align: {"left" if not i else side}"' for i in range(len(heads))]
    head = "".join(f"<th {a}>{text(h)}</th>" for a, h in zip(aligned, heads, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td {a}>{text(c)}</td>' for a, c in zip(aligned, row, strict=True))}</tr>" for row in rows
    )
    said = f'<caption style="text-align: left">{text(caption)}</caption>' if caption else ""
    return f"<table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""How wide the output may be, and lines that fit into it."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from unicodedata import combining, east_asian_width

NARROWEST = 20
"""Columns that are used at least."""
ASIDE = 6
"""Indent of a column that has lines of its own."""


def columns() -> int | None:
    """$COLUMNS, else those of the terminal that standard output is. None in a file or a pipe: there lines are as long
    as what they say."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return max(int(given), NARROWEST)
    try:
        found = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0
    except (OSError, ValueError, AttributeError):
        return None
    return max(found, NARROWEST) if found else None


def cells(text: str) -> int:
    """Columns that a text takes: two for a wide character (East Asian), none for one that joins the one before."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(c) in "WF" else not combining(c) for c in text)


def fitted(line: str, width: int | None) -> list[str]:
    """The line in parts of at most `width` columns, broken at spaces; a longer word stays whole. What follows the first
    part stands below the last column of a list (`  name     text`), or is indented by two. A last column that begins in
    the right half has lines of its own."""
    if width is None or len(line) <= width:
        return [line]
    starts = [m.end() for m in re.finditer(r"(?:^|(?<=\S)) {2,}(?=\S)", line)]
    at = max((s for s in starts if len(line[:s].rstrip()) <= width), default=0)
    if at > width // 2:
        return [line[:at].rstrip(), *_wrapped(line[at:], width, ASIDE, ASIDE)]
    return _wrapped(line, width, 0, at or 2)


def _wrapped(line: str, width: int, first: int, rest: int) -> list[str]:
    made = textwrap.TextWrapper(
        width,
        initial_indent=" " * first,
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return made.wrap(line) or [line]


def listed(heads: list[str], rows: list[list[str]], width: int | None, *, named: bool = False) -> list[str]:
    """Rows under their heads, where they fit; else each row's first cell on a line of its own, and the others below it,
    each after its head where they are `named`. Columns without any text are left out, and nothing is cut."""
    kept = [i for i in range(len(heads)) if i == 0 or any(row[i] for row in rows)]
    sizes = {i: max(cells(row[i]) for row in (heads, *rows)) for i in kept}
    if width is None or sum(sizes.values()) + 2 * (len(kept) - 1) <= width:
        return ["  ".join(row[i] + " " * (sizes[i] - cells(row[i])) for i in kept).rstrip() for row in (heads, *rows)]
    out: list[str] = []
    for row in rows:
        out.append(row[0])
        out += _packed([f"{heads[i]} {row[i]}" if named else row[i] for i in kept[1:] if row[i]], width)
    return out


def _packed(row: list[str], width: int) -> list[str]:
    """Indented lines with as many cells as fit, two spaces apart."""
    lines: list[str] = []
    for cell in row:
        if lines and cells(lines[-1]) + 2 + cells(cell) <= width:
            lines[-1] += f"  {cell}"
        else:
            lines.append(f"  {cell}")
    return [part for line in lines for part in fitted(line, width)]

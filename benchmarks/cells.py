"""Cells and tables of the pages that benchmarks write. Numbers have three decimals."""

from __future__ import annotations

from collections.abc import Sequence


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(rows: Sequence[Sequence[str]], *, text: int = 1) -> str:
    """The first row is the head, the first `text` columns are text, the others numbers."""
    head, *rest = rows
    rule = ["---"] * text + ["---:"] * (len(head) - text)
    return "\n".join(row(*r) for r in (head, rule, *rest)) + "\n"


def short(x: float) -> str:
    """Without a leading zero."""
    return _bare(f"{x:.3f}")


def signed(x: float) -> str:
    return _bare(f"{x:+.3f}")


def bounds(low: float | None, high: float | None) -> str:
    """What follows a number: its interval, or nothing."""
    return "" if low is None or high is None else f" [{short(low)}, {short(high)}]"


def whole(value: float, low: float | None, high: float | None, form: str = ".3f") -> str:
    """A number and its interval with their zeros."""
    return f"{value:{form}}" + ("" if low is None or high is None else f" [{low:{form}}, {high:{form}}]")


def _bare(text: str) -> str:
    """`0.5`, `-0.5`, `+0.5` without the zero; `10.5` as it is."""
    sign = text[: text[0] in "+-"]
    return sign + text[len(sign) :].removeprefix("0")

"""A comparison as a table: the rows and the lines below it, for the terminal, Markdown and notebooks alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.comparison.compare import Comparison
from harness.core.score import UNDEFINED

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("score", "group", "a", "b", "difference", "p", "flips", "MDE")
UNITS = {
    "seconds": "seconds a sample",
    "tokens_per_second": "tokens a second",
    "thinking_tokens": "tokens of thinking a sample",
    "thinking_seconds": "seconds of thinking a sample",
    "passes": "decoder passes a sample",
    "positions": "decoder positions a sample",
    "peak_memory_gib": "GiB at the peak",
}
"""What a cost counts."""
LONGEST = 12
"""Characters of a label that heads a column."""


def heads(comparison: Comparison) -> list[str]:
    """The columns, `a` and `b` under their runs' labels."""
    labels = dict(zip("ab", comparison.labels, strict=True))
    return [labels.get(column, column) for column in COLUMNS]


def cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """One a score in a group, under `heads`."""
    from harness.loggers.tables import number, plain_interval

    rows = []
    for row in comparison.rows:
        d = row.difference
        rows.append(
            (
                row.score,
                row.group,
                number(row.a),
                number(row.b),
                plain_interval(d.value, d.low, d.high),
                "" if d.p is None else f"{d.p:.3f}",
                "" if d.right_to_wrong is None else f"{d.right_to_wrong}/{d.wrong_to_right}",
                "" if d.mde is None else number(d.mde),
            )
        )
    return rows


def notes(comparison: Comparison, count: int = 1, flips: int = 0) -> list[str]:
    """What else there is to say. `count`: comparisons tested at once; `flips`: samples that got worse to name."""
    base, other = comparison.cost
    lines = [f"also differs: {'; '.join(comparison.also)}"] if comparison.also else []
    lines += [comparison.without] if comparison.without else []
    lines += [
        f"cost: {other[key]:.3g} {unit}, {other[key] / base[key]:.2f} times that of {comparison.labels[0]}"
        for key, unit in UNITS.items()
        if base.get(key) and other.get(key)
    ]
    judged = comparison.judged
    if count > 1 and comparison.holm is not None:
        lines.append(f"{judged.score}: p = {comparison.holm:.3f}, Holm-corrected for {count} comparisons")
    if judged.difference.design_effect:
        lines.append(f"{judged.score}: design effect {judged.difference.design_effect:.2f}")
    if comparison.left_out:
        lines.append(f"left out: {comparison.left_out} samples that only one of the runs has scored")
    if not comparison.scored_alike:
        lines.append(f"scored by different code of the task: harness rescore {comparison.a} {comparison.b}")
    for a, b in comparison.worse[:flips]:
        said = [r.outcome.answer if r.outcome else "" for r in (a, b)]
        lines.append(f"worse: {a.id}, target {a.target!r}: {said[0]!r} before, {said[1]!r} now")
    return lines


def caption(comparison: Comparison) -> str:
    """What the columns mean."""
    return (
        f"{comparison.paired} samples paired; difference [95 % interval], by cluster; "
        "flips: samples worse / better; MDE: smallest difference detected with 80 % power"
    )


def drawing(comparison: Comparison) -> RenderableType:
    """The table for a terminal. Its columns are headed a and b where a label is long."""
    from rich.console import Group

    from harness.loggers.tables import Stacked, text

    (a, b), short = comparison.labels, _short(comparison)
    rows = cells(comparison)
    values = [
        (head, [text(row[i]) for row in rows])
        for i, head in enumerate(heads(comparison) if short else COLUMNS)
        if i  # the first is the names'
    ]
    title = f"{b} against {a}" if short else f"b: {b}; against a: {a}"
    table = Stacked(COLUMNS[0], [row[0] for row in rows], values, least=1)
    return Group(text(title), table, text(caption(comparison)))


def _short(comparison: Comparison) -> bool:
    """Whether both labels can head columns."""
    return max(map(len, comparison.labels)) <= LONGEST


CURVES = ("reading by layer", "a to b", "differs at (Holm)", "largest difference", "at")
BARS = " ▁▂▃▄▅▆▇█"


def inside(comparison: Comparison, *, drawn: bool = False) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Tables of what probes read in both runs, heads and rows: numbers, and curves over layers. `drawn`: below the
    drawing, whose columns they name alike."""
    from harness.loggers.tables import number, plain_interval

    a, b = ("a", "b") if drawn and not _short(comparison) else comparison.labels
    if found := comparison.inside.numbers:
        rows = []
        for one in found:
            d, right = one.difference, [plain_interval(e.value, e.low, e.high) if e.n else "" for e in one.right]
            p = "" if d.p is None else f"{d.p:.3f}"
            rows.append(
                [one.name, number(one.a), number(one.b), plain_interval(d.value, d.low, d.high), p]
                + ["" if r == UNDEFINED else r for r in right]
            )
        yield ["reading", a, b, "difference", "p", f"tells right ({a})", f"tells right ({b})"], rows
    if curves := comparison.inside.curves:
        rows = []
        for curve in curves:
            d = curve.differences[curve.largest]
            held = f"{len(curve.sure)} of {len(curve.a)}: {spans(curve.sure)}" if curve.sure else "none"
            shown = f"{bars(curve.a, curve.b)[0]} {bars(curve.a, curve.b)[1]}"
            at = f"layer {curve.largest}"
            held = held if any(p is not None for p in curve.holm) else ""
            rows.append([curve.name, shown, held, plain_interval(d.value, d.low, d.high), at])
        yield [*CURVES], rows


def spans(layers: Sequence[int]) -> str:
    """ "0, 3-5" for 0, 3, 4, 5."""
    groups: list[list[int]] = []
    for l in layers:
        if groups and l == groups[-1][-1] + 1:
            groups[-1].append(l)
        else:
            groups.append([l])
    return ", ".join(str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups)


def bars(*curves: Sequence[float]) -> list[str]:
    """Curves as rows of bars on one scale, from their least value to their largest."""
    flat = [v for curve in curves for v in curve if v == v]
    low, high = min(flat), max(flat)
    size = (high - low) or 1.0
    return ["".join(BARS[1 + round((v - low) / size * 7)] if v == v else " " for v in curve) for curve in curves]

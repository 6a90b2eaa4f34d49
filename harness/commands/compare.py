"""harness compare: two or more runs, paired by sample, differences clustered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.words import results_folder, say
from harness.config.parser import Parser
from harness.core.errors import UsageError
from harness.core.sinks import cell

if TYPE_CHECKING:
    from harness.comparison.compare import Comparison

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
HELP = "runs paired by sample: what changed, and by how much more than chance"


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN|KEY=VALUE",
        help="runs by name or beginning; or method=A method=B with filters such as task=pope (the newest run of each)",
    )
    parser.add_argument("--flips", type=int, default=0, metavar="N", help="also print N samples that got worse")
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    parser.add_argument("--markdown", action="store_true", help="Markdown tables, for a pull request or a paper")


def run(given: Any) -> int:
    from harness.comparison.compare import compare

    base, *others = _runs(results_folder(given.results), given.runs)
    found = compare(base, others)
    if given.json:
        print(json.dumps([c.as_json() for c in found], indent=1))
        return 0
    for comparison in found:
        (_markdown if given.markdown else _print)(comparison, len(found), given.flips)
    return 0


def _runs(results: Path, words: Sequence[str]) -> list[Any]:
    from harness.runs.stored import find, select

    names = [w for w in words if "=" not in w]
    filters = [w for w in words if "=" in w and not w.startswith("method=")]
    methods = [w for w in words if w.startswith("method=")]
    runs = [find(results, name) for name in names]
    for method in methods:
        fitting = [r for r in select(results, [*filters, method]) if r.record.status.scored]
        if not fitting:
            raise UsageError(f"no finished run has {' '.join([method, *filters])}: harness ls lists the runs")
        runs.append(fitting[0])
    if len(runs) < 2:
        raise UsageError("name two runs or more, for example: harness compare method=vanilla method=vista task=pope")
    return runs


def _cells(comparison: Comparison) -> list[tuple[str, ...]]:
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


def _notes(comparison: Comparison, count: int, flips: int) -> list[str]:
    base, other = comparison.cost
    lines = [f"also differs: {'; '.join(comparison.also)}"] if comparison.also else []
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
        lines.append(f"worse: {a.id} wants {a.target!r}: {said[0]!r} before, {said[1]!r} now")
    return lines


def _caption(comparison: Comparison) -> str:
    return (
        f"{comparison.paired} samples paired; difference [95 % interval], by cluster; "
        "flips: samples worse / better; MDE: smallest difference found with 80 % power"
    )


def _print(comparison: Comparison, count: int, flips: int) -> None:
    from rich.table import Table

    from harness.loggers.tables import terminal, text

    a, b = comparison.labels
    table = Table(
        title=text(f"{b} against {a}"),
        caption=text(_caption(comparison)),
        title_justify="left",
        caption_justify="left",
    )
    for column in COLUMNS:
        head = {"a": a, "b": b}.get(column, column)
        table.add_column(text(head), justify="left" if column in ("score", "group") else "right", no_wrap=True)
    for cells in _cells(comparison):
        table.add_row(*map(text, cells))
    terminal().print(table)
    for note in _notes(comparison, count, flips):
        say(note)


def _markdown(comparison: Comparison, count: int, flips: int) -> None:
    a, b = comparison.labels
    heads = [{"a": a, "b": b}.get(c, c) for c in COLUMNS]
    print(f"**{cell(f'{b} against {a}')}**\n")
    print(f"| {' | '.join(map(cell, heads))} |")
    print(f"|{'|'.join('---' if c in ('score', 'group') else '---:' for c in COLUMNS)}|")
    for cells in _cells(comparison):
        print(f"| {' | '.join(map(cell, cells))} |")
    print(f"\n{cell(_caption(comparison))}.\n")
    for note in _notes(comparison, count, flips):
        print(f"- {cell(note)}")

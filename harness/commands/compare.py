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
    from harness.comparison.said import sentence

    base, *others = _runs(results_folder(given.results), given.runs)
    found = compare(base, others)
    if given.json:
        print(json.dumps([c.as_json() for c in found], indent=1))
        return 0
    for comparison in found:
        (_markdown if given.markdown else _print)(comparison, len(found), given.flips)
    say(cell(sentence(found)) if given.markdown else sentence(found))
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


def _print(comparison: Comparison, count: int, flips: int) -> None:
    from harness.comparison.table import drawing, notes
    from harness.loggers.tables import terminal

    terminal().print(drawing(comparison))
    for note in notes(comparison, count, flips):
        say(note)


def _markdown(comparison: Comparison, count: int, flips: int) -> None:
    from harness.comparison.table import COLUMNS, caption, cells, heads, notes

    a, b = comparison.labels
    print(f"**{cell(f'{b} against {a}')}**\n")
    print(f"| {' | '.join(map(cell, heads(comparison)))} |")
    print(f"|{'|'.join('---' if c in ('score', 'group') else '---:' for c in COLUMNS)}|")
    for row in cells(comparison):
        print(f"| {' | '.join(map(cell, row))} |")
    print(f"\n{cell(caption(comparison))}.\n")
    for note in notes(comparison, count, flips):
        print(f"- {cell(note)}")

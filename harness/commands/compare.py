"""harness compare: two or more runs, paired by sample, differences clustered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.words import counted, results_folder, say, warn
from harness.config.parser import Parser, whole
from harness.core.errors import UsageError
from harness.core.sinks import cell

if TYPE_CHECKING:
    from harness.comparison.compare import Comparison
    from harness.runs.record import RunRecord

HELP = "runs paired by sample: what changed, and by how much more than chance"


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN|KEY=VALUE",
        help="runs by name or beginning; or method=A method=B with filters such as task=pope (the newest run of each)",
    )
    parser.add_argument("--flips", type=whole(0), default=0, metavar="N", help="also print N samples that got worse")
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    parser.add_argument("--markdown", action="store_true", help="Markdown tables, for a pull request or a paper")


def run(given: Any) -> int:
    from harness.comparison.compare import compare
    from harness.comparison.said import sentence

    (base, *others), note = _runs(results_folder(given.results), given.runs)
    found = compare(base, others)
    if given.json:
        print(json.dumps([c.as_json() for c in found], indent=1))
        return 0
    tested = sum(c.holm is not None for c in found)
    for comparison in found:
        (_markdown if given.markdown else _print)(comparison, tested, given.flips)
    say(cell(sentence(found)) if given.markdown else sentence(found))
    if note:
        say(cell(note) if given.markdown else note)
    return 0


def _runs(results: Path, words: Sequence[str]) -> tuple[list[Any], str]:
    """The runs that are named, and a line where the words could mean others as well."""
    from harness.runs.stored import find, select

    names = [w for w in words if "=" not in w]
    filters = [w for w in words if "=" in w and not w.startswith("method=")]
    methods = [w for w in words if w.startswith("method=")]
    runs = [find(results, name) for name in names]
    faults: list[str] = []
    fitting = [[r for r in select(results, [*filters, m], faults.append) if r.record.status.scored] for m in methods]
    for fault in dict.fromkeys(faults):  # it may be the newest one
        warn(fault)
    for method, found in zip(methods, fitting, strict=True):
        if not found:
            raise UsageError(f"no finished run has {' '.join([method, *filters])}: harness ls lists the runs")
    if len(runs) + len(methods) < 2:
        raise UsageError("name two runs or more, for example: harness compare method=vanilla method=vista task=pope")
    chosen, others = _alike(runs, fitting)
    note = (
        f"these methods have runs on {counted(others, 'other set')} of samples and model: add task=, model=, limit= ..."
    )
    return [*runs, *chosen], note if others else ""


def _alike(runs: Sequence[Any], fitting: Sequence[Sequence[Any]]) -> tuple[list[Any], int]:
    """The newest run of each list, of those that asked the same model the same; how many other such sets there are.
    Where there is none, the newest of each: what differs is then refused, or said."""
    by = [{_asked(r.record): r for r in reversed(found)} for found in fitting]
    first = [_asked(r.record) for r in runs[:1]] or list(dict.fromkeys(_asked(r.record) for r in fitting[0]))
    shared = [key for key in first if all(key in found for found in by)]
    if not shared:
        return [found[0] for found in fitting], 0
    return [found[shared[0]] for found in by], len(shared) - 1


def _asked(record: RunRecord) -> str:
    """What was asked of which model, and how."""
    parts = (record.task, record.data, record.task_version, record.fingerprint, record.model, record.model_fingerprint)
    return json.dumps([*parts, record.limit, record.seed, record.decoding], sort_keys=True, default=str)


def _print(comparison: Comparison, count: int, flips: int) -> None:
    from harness.comparison.table import drawing, inside, notes
    from harness.core.width import columns, listed
    from harness.loggers.tables import terminal

    terminal().print(drawing(comparison))
    for note in notes(comparison, count, flips):
        say(note)
    for heads, rows in inside(comparison, drawn=True):
        for text in ("", *listed(heads, rows, columns(), named=True)):
            say(text)


def _markdown(comparison: Comparison, count: int, flips: int) -> None:
    from harness.comparison.table import COLUMNS, caption, cells, heads, inside, notes

    a, b = comparison.labels
    print(f"**{cell(f'{b} against {a}')}**\n")
    print(f"| {' | '.join(map(cell, heads(comparison)))} |")
    print(f"|{'|'.join('---' if c in ('score', 'group') else '---:' for c in COLUMNS)}|")
    for row in cells(comparison):
        print(f"| {' | '.join(map(cell, row))} |")
    print(f"\n{cell(caption(comparison))}.\n")
    for note in notes(comparison, count, flips):
        print(f"- {cell(note)}")
    for names, rows_ in inside(comparison):
        print(f"\n| {' | '.join(map(cell, names))} |\n|{'|'.join('---' for _ in names)}|")
        for row in rows_:
            print(f"| {' | '.join(map(cell, row))} |")

"""harness history: scores and speed of a task over commits, and where they changed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.words import counted, results_folder, say
from harness.config.parser import Parser, number
from harness.core.errors import UsageError
from harness.core.width import columns

if TYPE_CHECKING:
    from harness.gate.history import LevelChange, Series

BLOCKS = "▁▂▃▄▅▆▇█"
HEIGHT, WIDTH, MARGIN = 8, 100, 12
HELP = "scores and speed of a task over commits, and where they changed"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("task", metavar="TASK", help="whose runs: pope")
    parser.add_argument("--delta", type=number(0), default=0.01, metavar="D", help="smallest step of a score (0.01)")
    parser.add_argument("--plot", action="store_true", help="draw each series")
    parser.add_argument("--json", action="store_true", help="JSON instead of lines")
    parser.add_argument("--mark", metavar="ID=STATE", help="mark a step as open, accepted, fixed or noise")
    parser.add_argument("--reason", default="", metavar="TEXT", help="with --mark: the reason")
    parser.add_argument(
        "--marks",
        type=Path,
        metavar="FILE",
        help="where marks are kept (default: steps.json in the folder of the baseline)",
    )


def run(given: Any) -> int:
    from harness.gate.history import history, mark, read_marks
    from harness.gate.policy import folder_of, read_policy

    marks = given.marks or folder_of(read_policy(None), Path(given.results)) / "steps.json"
    if given.mark:
        key, _, state = given.mark.partition("=")
        mark(marks, key, state, given.reason)
        say(f"step {key} is {state}: {given.reason}")
        return 0
    found = history(results_folder(given.results), given.task, delta=given.delta, marks=read_marks(marks))
    if not found:
        raise UsageError(
            f"no finished run of task={given.task}: harness ls lists the runs, harness ingest indexes them"
        )
    if given.json:
        print(json.dumps([asdict(s) for s in found], indent=1, default=str))
        return 0
    for series in found:
        for line in _lines(series, plot=given.plot):
            say(line)
    return 0


def _lines(series: Series, *, plot: bool) -> list[str]:
    values = [p.value for p in series.points]
    last = series.points[-1]
    at = last.commit[:9] or last.run
    head = f"{series.name}: {counted(len(values), 'run')}, last {_number(last.value)} ({at})  {_spark(values)}"
    lines = [head, *(_draw(series) if plot else [])]
    return [*lines, *(f"  {_said(c, series.kind)}" for c in series.changes)]


def _said(change: LevelChange, kind: str) -> str:
    step = change.step
    way = {True: "better", False: "worse", None: "moved"}[change.better]
    sure = "" if step.sure else "possibly "
    if kind == "seconds":
        size = f"{math.exp(step.size):.2f} times as long"
    else:
        low, high = step.interval
        size = f"{step.before:.4f} to {step.after:.4f}, {step.size:+.4f} [{low:+.4f}, {high:+.4f}]"
    good, bad = (p.commit[:9] or p.run for p in (change.last_good, change.first_bad))
    state = "" if change.state == "open" else f" ({change.state}: {change.reason})"
    flips = f"; first flipped: {', '.join(change.flipped[:5])}" if change.flipped else ""
    return f"step {change.id}: {sure}{way} after {good}, since {bad}: {size}{state}{flips}"


def _number(value: float) -> str:
    return f"{value:.4f}" if value >= 0.01 else f"{value:.2e}"


def _spark(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0
    return "".join(BLOCKS[round((v - low) * scale)] for v in values[-60:])


def _draw(series: Series) -> list[str]:
    """A plot of HEIGHT rows: o a run, | its 95 % interval, ^ below the first run after a step."""
    room = min(WIDTH, (columns() or WIDTH + MARGIN) - MARGIN)
    points = series.points[-room // 2 :]
    lows, highs = [p.value - 1.96 * p.error for p in points], [p.value + 1.96 * p.error for p in points]
    bottom, top = min(lows), max(highs)
    unit = (top - bottom) / (HEIGHT - 1) or 1.0
    rows = []
    for level in range(HEIGHT - 1, -1, -1):
        marks = []
        for p, low, high in zip(points, lows, highs, strict=True):
            at, a, b = (round((x - bottom) / unit) for x in (p.value, low, high))
            marks.append("o" if at == level else "|" if a <= level <= b else " ")
        rows.append(f"  {_number(bottom + level * unit):>9} {' '.join(marks)}")
    first = {c.first_bad.run for c in series.changes}
    if any(p.run in first for p in points):
        rows.append(" " * MARGIN + " ".join("^" if p.run in first else " " for p in points))
    return rows

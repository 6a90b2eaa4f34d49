"""Tables for the terminal: every value with its interval."""

from __future__ import annotations

import io
import shutil
import sys

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.core.sinks import line
from harness.core.types import Metric
from harness.runs.record import RunRecord


class Terminal(Console):
    """A console that leaves a closed pipe to the command line: whoever read it has seen enough."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def terminal() -> Console:
    """Where tables go: as wide as the terminal, and wide enough for every column in a file or pipe."""
    return Terminal(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 240)


CELL = "cell"
"""Metrics of this name, with groups `A x B`, are drawn as a heat map."""
WIDE = 6
"""With more groups than this the groups are the rows."""


def metrics_table(record: RunRecord, metrics: list[Metric]) -> RenderableType:
    """One row a metric, one column a group (or the other way round); intervals are 95 %, clustered."""
    cells = [m for m in metrics if m.name == CELL]
    plain = [m for m in metrics if m.name != CELL]
    groups, names = (list(dict.fromkeys(getattr(m, k) for m in plain)) for k in ("group", "name"))
    by = {(m.name, m.group): m for m in plain}
    n = max((m.n for m in metrics), default=0)
    clusters = max((m.clusters for m in metrics), default=0)
    shared = f" ({record.cluster})" if record.cluster else ""
    table = Table(
        title=text(f"{record.task} ({record.data}), {record.method}, {record.model}"),
        caption=text(f"{n} samples in {clusters} clusters{shared}; value [95 % interval]"),
        title_justify="left",
        caption_justify="left",
    )
    turned = len(groups) > WIDE
    table.add_column("group" if turned else "metric")
    for column in names if turned else groups:
        table.add_column(text(column), justify="right", no_wrap=True)
    for row in groups if turned else names:
        keys = [(name, row) for name in names] if turned else [(row, group) for group in groups]
        table.add_row(text(row), *(_cell(by.get(key)) for key in keys))
    return Group(table, "score by length (across) and depth (down)", _heat_map(cells)) if cells else table


def _heat_map(cells: list[Metric]) -> Table:
    """Columns A, rows B of the groups `A x B`; colours go from 0 to 1 whatever the values."""
    at = {tuple(m.group.split(" x ")): m.value for m in cells}
    columns, rows = (list(dict.fromkeys(key[i] for key in at)) for i in (0, 1))
    table = Table()
    table.add_column("")
    for column in columns:
        table.add_column(text(column), justify="right")
    for row in rows:
        table.add_row(text(row), *(_shade(at.get((column, row))) for column in columns))
    return table


def _shade(value: float | None) -> str:
    if value is None:
        return ""
    red, green = round(200 * (1 - value)), round(150 * value)
    return f"[white on rgb({red},{green},60)] {value:.2f} [/]"


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return ""
    star = "[bold]" if metric.primary else ""
    end = "[/bold]" if metric.primary else ""
    return f"{star}{interval(metric.value, metric.low, metric.high)}{end}"


def text(value: object) -> Text:
    """A name or a message in a table: no markup, no control characters."""
    return Text(line(value))


def plain_interval(value: float, low: float | None, high: float | None) -> str:
    """0.91 [0.89, 0.93]; the value alone where there is no interval."""
    return number(value) if low is None or high is None else f"{number(value)} [{number(low)}, {number(high)}]"


def interval(value: float, low: float | None, high: float | None) -> str:
    """The same in rich's markup."""
    return plain_interval(value, low, high).replace("[", "\\[")


def number(value: float) -> str:
    """Three decimals for rates; whole numbers as they are."""
    if float(value).is_integer() and abs(value) > 1:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def drawn(shown: RenderableType) -> str:
    """As text of the terminal's width, without colours: for a `repr`."""
    width = shutil.get_terminal_size((100, 24)).columns
    console = Console(
        file=io.StringIO(), width=width, highlight=False, emoji=False, force_jupyter=False, force_terminal=False
    )
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(row.rstrip() for row in captured.get().rstrip().split("\n"))

"""Tables for the terminal: every value with its interval."""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.core.score import UNDEFINED
from harness.core.sinks import line
from harness.core.types import Metric
from harness.core.width import columns
from harness.runs.record import RunRecord


class Terminal(Console):
    """A console that leaves a closed pipe to the command line: whoever read it has seen enough."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def terminal() -> Console:
    """Where tables go: as wide as the terminal, and without an end in a file or pipe."""
    return Terminal(highlight=False, emoji=False, width=columns() or ENDLESS)


CELL = "cell"
"""Metrics of this name, with groups `A x B`, are drawn as a heat map."""
WIDE = 6
"""With more groups than this the groups are the rows."""
ENDLESS = 10_000
"""Columns of a file."""
SHORTEST = 8
"""Columns that names in a table's first column have at least; longer ones are folded."""


def metrics_table(record: RunRecord, metrics: list[Metric]) -> RenderableType:
    """One row a metric, one column a group (or the other way round); intervals are 95 %, clustered."""
    cells = [m for m in metrics if m.name == CELL]
    plain = [m for m in metrics if m.name != CELL]
    groups, names = (list(dict.fromkeys(getattr(m, k) for m in plain)) for k in ("group", "name"))
    by = {(m.name, m.group): m for m in plain}
    n = max((m.n for m in metrics), default=0)
    clusters = max((m.clusters for m in metrics), default=0)
    shared = f" ({record.cluster})" if record.cluster else ""
    turned = len(groups) > WIDE
    values = [
        (column, [_cell(by.get((column, row) if turned else (row, column))) for row in (groups if turned else names)])
        for column in (names if turned else groups)
    ]
    table = Stacked("group" if turned else "metric", groups if turned else names, values)
    heat = ["score by length (across) and depth (down)", _heat_map(cells)] if cells else []
    return Group(
        text(f"{record.task} ({record.data}), {record.method}, {record.model}"),
        table,
        text(f"{n} sample{'s' * (n != 1)} in {clusters} cluster{'s' * (clusters != 1)}{shared}; value [95 % interval]"),
        *heat,
    )


@dataclass(frozen=True)
class Stacked:
    """A table with a first column of names, which becomes several below each other where its columns do not fit. Rows
    in which one of them would say nothing are left out of it.

    Args:
        values: (head, cells) of each column.
        least: Columns that every table begins with: what tells its rows apart beside their names.
    """

    head: str
    names: Sequence[str]
    values: Sequence[tuple[str, Sequence[Text]]]
    least: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        width = options.max_width
        sizes = [max(cell_len(line(h)), *(c.cell_len for c in cells), 0) for h, cells in self.values]
        kept, rest = sizes[: self.least], sizes[self.least :]
        taken = 4 + sum(kept) + 3 * len(kept)
        first = max(len(self.head), *(cell_len(line(n)) for n in self.names), 0)
        first = min(first, max(SHORTEST, width - taken - max((s + 3 for s in rest), default=0)))
        for part in _parts(rest, width - taken - first):
            yield self._table(first, sizes, [*range(self.least), *(self.least + i for i in part)])

    def _table(self, first: int, sizes: Sequence[int], shown: Sequence[int]) -> Table:
        table = Table()
        table.add_column(self.head, max_width=first, overflow="fold")
        for i in shown:
            side = "left" if i < self.least else "right"
            table.add_column(text(self.values[i][0]), justify=side, no_wrap=True, min_width=sizes[i])
        for row, name in enumerate(self.names):
            if any(self.values[i][1][row].plain for i in shown[self.least :]):
                table.add_row(text(name), *(self.values[i][1][row] for i in shown))
        return table


def _parts(sizes: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each table: as few tables as hold them, with about as many columns each."""

    def dealt(most: int) -> list[list[int]]:
        found: list[list[int]] = [[]]
        for i, size in enumerate(sizes):
            full = sum(sizes[j] + 3 for j in found[-1]) + size + 3 > width
            if found[-1] and (full or len(found[-1]) == most):
                found.append([])
            found[-1].append(i)
        return found

    tables = len(dealt(len(sizes)))
    return next(made for most in range(1, len(sizes) + 1) if len(made := dealt(most)) == tables) if sizes else [[]]


def _heat_map(cells: list[Metric]) -> Stacked:
    """Columns A, rows B of the groups `A x B`; colours go from 0 to 1 whatever the values."""
    at = {tuple(m.group.split(" x ")): m.value for m in cells}
    across, down = (list(dict.fromkeys(key[i] for key in at)) for i in (0, 1))
    return Stacked("", down, [(c, [_shade(at.get((c, row))) for row in down]) for c in across])


def _shade(value: float | None) -> Text:
    if value is None:
        return Text()
    red, green = round(200 * (1 - value)), round(150 * value)
    return Text(f" {value:.2f} ", style=f"white on rgb({red},{green},60)")


def _cell(metric: Metric | None) -> Text:
    if metric is None:
        return Text()
    return Text(plain_interval(metric.value, metric.low, metric.high), style="bold" if metric.primary else "")


def text(value: object) -> Text:
    """A name or a message in a table: no markup, no control characters."""
    return Text(line(value))


def plain_interval(value: float, low: float | None, high: float | None) -> str:
    """0.91 [0.89, 0.93]; the value alone where there is no interval."""
    return number(value) if low is None or high is None else f"{number(value)} [{number(low)}, {number(high)}]"


def number(value: float) -> str:
    """Three decimals for rates; whole numbers as they are; NaN is "undefined"."""
    if math.isnan(value):
        return UNDEFINED
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

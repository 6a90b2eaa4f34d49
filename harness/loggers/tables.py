"""Tables for the terminal: every value with its interval."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.core.types import Metric


def terminal() -> Console:
    """Where tables go: as wide as the terminal, and wide enough for every column in a file or pipe."""
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 240)


def metrics_table(record: dict[str, Any], metrics: list[Metric]) -> Table:
    """One row a metric, one column a group; intervals are 95 %, clustered."""
    groups = list(dict.fromkeys(m.group for m in metrics))
    names = list(dict.fromkeys(m.name for m in metrics))
    by = {(m.name, m.group): m for m in metrics}
    n = max((m.n for m in metrics), default=0)
    clusters = max((m.clusters for m in metrics), default=0)
    table = Table(
        title=f"{record['task']} ({record['data']}), {record['method']}, {record['model']}",
        caption=f"{n} samples in {clusters} clusters; value [95 % interval]",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("metric")
    for group in groups:
        table.add_column(group, justify="right", no_wrap=True)
    for name in names:
        table.add_row(name, *(_cell(by.get((name, group))) for group in groups))
    return table


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return ""
    star = "[bold]" if metric.primary else ""
    end = "[/bold]" if metric.primary else ""
    return f"{star}{interval(metric.value, metric.low, metric.high)}{end}"


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

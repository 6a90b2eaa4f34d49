"""The overview: methods by tasks for one model and one kind of records, with ranks, cost, and what to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.gate.history import LevelChange, Series
from harness.leaderboard.board import TIERS, Board, BoardEntry, slug
from harness.leaderboard.figures.dots import Dot
from harness.leaderboard.figures.scatter import scatter
from harness.leaderboard.render import Renderer
from harness.leaderboard.versus import Comparisons, Pair, against_vanilla, cost_ratio, midranks, ranks

SHADES = (0.01, 0.03, 0.08)
"""Differences at which a cell's shade deepens."""
COMPARED = 2
"""With fewer methods than these a column compares nothing, and is folded."""


@dataclass(frozen=True)
class Cell:
    """One method on one board."""

    entry: BoardEntry
    pair: Pair | None
    sign: int
    gain: float | None
    """Difference to vanilla, more is better; None for vanilla itself, and for what is not a share."""
    cost: float | None
    rank: tuple[float, int, int]
    """Its place, and the first and the last that it may have."""

    @property
    def shade(self) -> str:
        """A class: deeper for larger differences that are significant, the palest for those that are not."""
        if self.gain is None or self.gain == 0:
            return ""
        level = 1 + sum(abs(self.gain) >= s for s in SHADES) if self.sign else 0
        return f"{'up' if self.gain > 0 else 'down'}{level}"


@dataclass(frozen=True)
class Column:
    """One board with its cells by method."""

    board: Board
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Row:
    """One method over the columns of a matrix."""

    method: str
    cells: list[Cell | None]
    known: list[Cell] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", [c for c in self.cells if c])

    @property
    def wins(self) -> int:
        return sum(c.sign > 0 for c in self.known)

    @property
    def losses(self) -> int:
        return sum(c.sign < 0 for c in self.known)

    @property
    def rank(self) -> tuple[float, float, float] | None:
        """Mean place with the means of the first and last places that it may have."""
        if not self.known:
            return None
        place, first, last = (sum(c.rank[i] for c in self.known) / len(self.known) for i in range(3))
        return place, first, last

    @property
    def settings(self) -> str:
        """Settings by hand where every cell has the same ones; cells name their own otherwise."""
        found = {c.entry.settings for c in self.known}
        return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True)
class Highlight:
    """The largest gain or loss; of parts of the records only where whole ones show none."""

    method: str
    board: Board
    cell: Cell


def overviews(
    site: Renderer,
    made: Sequence[Board],
    compared: Mapping[str, Comparisons],
    series: Mapping[str, Sequence[Series]],
) -> None:
    """A matrix of methods and tasks for each model and kind of records; the fullest one is index.html."""
    views: dict[tuple[str, str], list[Board]] = {}
    for board in made:
        for model in board.models if not board.generated else ():
            views.setdefault((model, board.tier), []).append(board)
    if not views:
        site.page("index.html", "empty.html", results="results")
        return
    order = sorted(views, key=lambda v: (-_fullness(views[v], v[0]), v))
    links = [(model, tier, _path(order, model, tier)) for model, tier in sorted(views)]
    for model, tier in order:
        columns = [column(b, model, compared[b.slug]) for b in views[model, tier]]
        whole = [c for c in columns if not c.board.partial]
        shown = [c for c in whole or columns if len(c.cells) >= COMPARED] or whole or columns
        rest = [c for c in columns if c not in shown]
        rows = matrix(shown)
        site.page(
            _path(order, model, tier),
            "overview.html",
            model=model,
            tier=tier,
            links=links,
            whole=bool(whole),
            columns=shown,
            rows=rows,
            single=[c for c in rest if not c.board.partial],
            partial=[(c, matrix([c])) for c in rest if c.board.partial],
            gain=_extreme(shown, 1) or _extreme(rest, 1),
            loss=_extreme(shown, -1) or _extreme(rest, -1),
            regression=_regression(series, model, tier),
            plot=cost_plot(rows, shown),
        )


def _fullness(boards: Sequence[Board], model: str) -> float:
    """Whole boards count; parts only where there is nothing else."""
    return sum(len(b.newest(model)) * (0.001 if b.partial else 1) for b in boards)


def _path(order: Sequence[tuple[str, str]], model: str, tier: str) -> str:
    return "index.html" if (model, tier) == order[0] else f"overview/{slug(model, tier)}.html"


def column(board: Board, model: str, found: Comparisons) -> Column:
    """The newest run of each method, with its place among them."""
    newest = board.newest(model)
    vanilla, base = against_vanilla(board, model, found), newest.get("vanilla")
    members = list(newest.values())
    ranges, places = ranks(board, members, found), midranks(board, members)
    cells = {}
    for name, entry in newest.items():
        pair = vanilla.get(entry.run)
        gain = pair.value * (1 if board.higher else -1) if pair and abs(pair.value) <= 1 else None
        sign = pair.sign(board.higher) if pair else 0
        rank = (places[entry.run], *ranges[entry.run])
        cells[name] = Cell(entry, pair, sign, gain, cost_ratio(entry, base), rank)
    return Column(board, cells)


def matrix(columns: Sequence[Column]) -> list[Row]:
    """vanilla, then by mean place; methods with more columns before those with fewer."""
    names = sorted({m for c in columns for m in c.cells})
    rows = [Row(name, [c.cells.get(name) for c in columns]) for name in names]
    return sorted(rows, key=lambda r: (r.method != "vanilla", r.rank or (math.inf,), -len(r.known), r.method))


def _extreme(columns: Sequence[Column], way: int) -> Highlight | None:
    found = [
        Highlight(name, c.board, cell)
        for c in columns
        for name, cell in c.cells.items()
        if cell.sign == way and cell.gain is not None
    ]
    return max(found, key=lambda h: way * (h.cell.gain or 0), default=None)


def _regression(
    series: Mapping[str, Sequence[Series]], model: str, tier: str
) -> tuple[str, Series, LevelChange] | None:
    """The newest open step of a score for the worse."""
    found = [
        (task, s, c)
        for task, members in series.items()
        for s in members
        if s.settings["model"] == model and TIERS.get(s.settings["data"], "official") == tier and s.kind != "seconds"
        for c in s.changes
        if c.better is False and c.state == "open"
    ]
    return max(found, key=lambda f: f[2].first_bad.moment, default=None)


def cost_plot(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Mean gain against mean cost (geometric) of the methods that every column has."""
    dots = []
    for row in rows:
        gains = [0.0 if row.method == "vanilla" else c.gain for c in row.known]
        costs = [c.cost for c in row.known]
        if len(row.known) < len(columns) or not columns:
            continue
        if any(g is None for g in gains) or any(c is None or c <= 0 for c in costs):
            continue
        low = high = None
        if row.method != "vanilla" and all(c.pair and c.pair.low is not None for c in row.known):
            ends = [
                sorted(p * (1 if col.board.higher else -1) for p in (c.pair.low, c.pair.high))
                for c, col in zip(row.known, columns, strict=True)
                if c.pair and c.pair.low is not None and c.pair.high is not None
            ]
            low, high = (sum(e[i] for e in ends) / len(ends) for i in (0, 1))
        dots.append(
            Dot(
                x=math.exp(sum(math.log(c) for c in costs if c) / len(costs)),
                y=sum(g for g in gains if g is not None) / len(gains),
                name=row.method,
                low=low,
                high=high,
                kind="base" if row.method == "vanilla" else "",
            )
        )
    if len(dots) < COMPARED:
        return ""
    return scatter(dots, "cost of a sample, times vanilla's", "mean gain over vanilla")

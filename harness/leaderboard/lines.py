"""One line for each method and each model, with a spark of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.leaderboard.board import Board, BoardEntry
from harness.leaderboard.figures.bars import spark
from harness.leaderboard.ranking import Ranked, Ranking

SIGNS = {1: "better", -1: "worse", 0: "same"}


@dataclass(frozen=True)
class MethodRow:
    """One entry of a method, on a board and a model."""

    board: Board
    row: Ranked


@dataclass(frozen=True)
class MethodLine:
    """A method over all boards and models; parts of the records do not count."""

    name: str
    runs: int
    tasks: int
    models: int
    wins: int
    losses: int
    gain: float | None
    """Mean difference to vanilla, more is better."""
    cost: tuple[float, float] | None
    """The least and the most, times vanilla's."""
    spark: str

    @classmethod
    def of(cls, name: str, runs: int, rows: Sequence[MethodRow]) -> MethodLine:
        whole = [r for r in rows if not r.board.partial and not r.board.generated]
        gains = [(g, r) for r in whole if (g := r.row.gain(r.board.higher)) is not None and abs(g) <= 1]
        gains.sort(key=lambda g: -g[0])
        costs = [r.row.cost for r in whole if r.row.cost]
        words = f"differences of {name} to vanilla, {len(gains)} results from best to worst"
        return cls(
            name,
            runs,
            len({(r.board.task, r.board.data) for r in whole}),
            len({r.row.entry.model for r in whole}),
            sum(r.row.sign > 0 for r in whole),
            sum(r.row.sign < 0 for r in whole),
            sum(g for g, _ in gains) / len(gains) if gains else None,
            (min(costs), max(costs)) if costs else None,
            spark([(g, SIGNS[r.row.sign]) for g, r in _thinned(gains)], words),
        )


def _thinned(gains: list[Any], most: int = 24) -> list[Any]:
    """At most so many, evenly spaced with both ends."""
    if len(gains) <= most:
        return gains
    return [gains[round(i * (len(gains) - 1) / (most - 1))] for i in range(most)]


@dataclass(frozen=True)
class ModelLine:
    """A model over all whole boards."""

    name: str
    runs: int
    tasks: int
    methods: int
    parameters: int | None
    bars: list[tuple[Board, Ranked | None, Ranked]]
    """Each board with vanilla's entry and the best one."""
    spark: str

    @classmethod
    def of(
        cls, name: str, own: Sequence[BoardEntry], parts: Sequence[tuple[Board, Ranking]], facts: Mapping[str, Any]
    ) -> ModelLine:
        bars = []
        for board, ranking in parts:
            if ranking.rows:
                vanilla = next((r for r in ranking.rows if r.entry.method == "vanilla"), None)
                bars.append((board, vanilla, ranking.rows[0]))
        shares = [(vanilla or best).entry.value for _, vanilla, best in bars]
        known = [(v, "same") for v in shares if v is not None and 0 <= v <= 1]
        parameters = facts.get("parameters")
        return cls(
            name,
            len(own),
            len(bars),
            len({e.method for e in own}),
            parameters if isinstance(parameters, int) else None,
            bars,
            spark(known, f"primary metrics of {name} on {len(known)} tasks"),
        )

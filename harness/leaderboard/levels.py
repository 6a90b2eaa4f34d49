"""Reference levels of a metric: chance and ceiling as measured, people and papers as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.leaderboard.board import Board
from harness.leaderboard.published import Figure, plain

MOST = 12
"""Published levels of one model and metric; more would be a carpet."""


@dataclass(frozen=True)
class Level:
    """A line in a plot. `kind`: chance, ceiling, human or published, a class of the style sheet too."""

    kind: str
    value: float
    label: str


def levels(board: Board, metric: str, group: str, model: str, figures: Sequence[Figure]) -> list[Level]:
    """Those of one metric and split, for plots of one model; `figures` are the board's own."""
    found = []
    for kind, name in (("chance", "chance"), ("ceiling", "oracle")):
        entry = board.reference(name)
        values = [m["value"] for m in entry.metrics if (m["name"], m["group"]) == (metric, group)] if entry else []
        found += [Level(kind, float(v), f"{kind}, measured") for v in values if v is not None and v == v]
    stated = [f for f in figures if f.here[1:] == (metric, group)]
    found += [Level("human", f.value, f"people: {f.source}") for f in stated if person(f)]
    own = [f for f in stated if plain(f.model) == plain(model) and f.method == "vanilla"]
    return found + [Level("published", f.value, f"published: {f.source}, {f.decoding}") for f in own[:MOST]]


def person(figure: Figure) -> bool:
    """Whether people were measured."""
    return figure.model.lower().startswith("human")


def of_board(board: Board, published: Sequence[Figure]) -> list[Figure]:
    """Published figures of a board's records: those of whole official records only."""
    if board.tier != "official":
        return []
    return [f for f in published if (f.task, f.here[0]) == (board.task, board.data)]

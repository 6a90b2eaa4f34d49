"""Reference levels of a metric."""

from __future__ import annotations

from harness.leaderboard.board import Board, BoardEntry
from harness.leaderboard.levels import levels
from harness.leaderboard.published import Figure


def entry(model: str, value: float | None) -> BoardEntry:
    row = {"run": model, "model": model, "value": 0.5, "metric": "official"}
    return BoardEntry(row, [{"name": "official", "group": "8k", "value": value, "primary": True}])


def test_chance_people_and_papers():
    """Undefined values are no level; a paper's is one for plots of its model alone."""
    figure = Figure("mm_niah", "official", "8K", "accuracy", "vanilla", "Human", 0.99, "", "Table 2", "")
    stated = [
        figure,
        Figure(**{**figure.__dict__, "model": "VILA-13B", "value": 0.4}),
        Figure(**{**figure.__dict__, "model": "VILA-13B", "value": 0.3, "group": "16K"}),
        Figure(**{**figure.__dict__, "model": "VILA-13B", "value": 0.2, "method": "vcd"}),
    ]
    entries = [entry("chance", 0.2), entry("oracle", None), entry("oracle", float("nan"))]
    board = Board("mm_niah", "test", "1", None, "", entries)
    found = [(x.kind, x.value) for x in levels(board, "official", "8k", "vila-13b", stated)]
    assert found == [("chance", 0.2), ("human", 0.99), ("published", 0.4)]
    assert [x.kind for x in levels(board, "official", "8k", "other", stated)] == ["chance", "human"]

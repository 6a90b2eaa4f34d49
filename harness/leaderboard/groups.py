"""What the runs of a board get right and wrong together, by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.leaderboard.answers import ABSENT, ERROR, RIGHT, WRONG, BoardRun, Items
from harness.leaderboard.board import Board


@dataclass(frozen=True)
class GroupSum:
    """One group of a board's samples, over its ranked runs."""

    name: str
    samples: int
    clusters: int
    right: float
    """Mean share of right samples."""
    low: float
    high: float
    """The worst and the best run's share."""
    always: int
    """Samples that every run gets right."""
    never: int
    """Samples that no run gets right, of those that some run got wrong."""
    lost: int
    """Errors and missing samples, in all runs together."""


def summed(board: Board, items: Items, runs: Mapping[str, BoardRun]) -> list[GroupSum]:
    """All samples first, then each group; empty without a ranked run."""
    states = [np.frombuffer(runs[e.run].state.encode(), dtype=np.uint8) for e in board.ranked]
    if not states or not items.rows:
        return []
    table = np.stack(states)
    parts = [("all", np.arange(len(items.rows)))]
    if len(items.groups) > 1:
        parts += [(g, np.flatnonzero(items.group == i)) for i, g in enumerate(items.groups)]
    return [_sum(name, table[:, at], items.clusters[at]) for name, at in parts]


def _sum(name: str, states: np.ndarray, clusters: np.ndarray) -> GroupSum:
    right, wrong = states == ord(RIGHT), states == ord(WRONG)
    judged = (right | wrong).sum(1)
    shares = right.sum(1)[judged > 0] / judged[judged > 0]
    return GroupSum(
        name=name,
        samples=states.shape[1],
        clusters=len(np.unique(clusters)),
        right=float(shares.mean()) if len(shares) else float("nan"),
        low=float(shares.min()) if len(shares) else float("nan"),
        high=float(shares.max()) if len(shares) else float("nan"),
        always=int(right.all(0).sum()),
        never=int((wrong.any(0) & ~right.any(0)).sum()),
        lost=int(((states == ord(ERROR)) | (states == ord(ABSENT))).sum()),
    )

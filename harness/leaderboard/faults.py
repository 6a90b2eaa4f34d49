"""Errors of runs, grouped: equal but for numbers, hashes and directories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.leaderboard.board import Board, tidy
from harness.store import Store
from harness.store.database import sql

LONGEST = 3000
"""Characters of a traceback's end that are shown."""


@dataclass(frozen=True)
class Fault:
    """One kind of error of one run. `kind`: its message with # for what differs."""

    type: str
    kind: str
    count: int
    first: str
    """Id of the first sample that has it."""
    message: str
    traceback: str


@dataclass(frozen=True)
class FaultSum:
    """One kind of error over the runs of a board."""

    type: str
    kind: str
    count: int
    runs: list[str]


def faults(store: Store, board: Board) -> dict[str, list[Fault]]:
    """Run -> its kinds of errors, most frequent first. No directory of the machine is left in them."""
    found: dict[str, list[Fault]] = {}
    for row in store.query(sql("queries/board_faults.sql"), {"runs": [e.run for e in board.entries]}):
        trace = str(tidy(row["traceback"]))
        shown = trace if len(trace) <= LONGEST else f"...{trace[-LONGEST:]}"
        fault = Fault(row["type"], str(row["kind"]), row["count"], row["id"], str(tidy(row["message"])), shown)
        found.setdefault(row["run"], []).append(fault)
    return found


def summed(found: Mapping[str, Sequence[Fault]]) -> list[FaultSum]:
    """The kinds over all runs, most frequent first."""
    sums: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for run, members in found.items():
        for f in members:
            count, runs = sums.get((f.type, f.kind), (0, []))
            sums[f.type, f.kind] = count + f.count, [*runs, run]
    made = [FaultSum(*key, count, runs) for key, (count, runs) in sums.items()]
    return sorted(made, key=lambda s: (-s.count, s.type, s.kind))

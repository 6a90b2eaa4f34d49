"""The samples of a board's runs, side by side: who was right where, and sums per cluster for comparing runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.score import Score
from harness.core.types import Outcome, Result
from harness.leaderboard.board import Board, BoardEntry, Row
from harness.leaderboard.seen import Seen, beside
from harness.runs import journal
from harness.store import Store
from harness.store.database import sql

RIGHT, WRONG, ERROR, ABSENT, UNCOUNTED = "1", "0", "e", "-", "n"
WORDS = {RIGHT: "right", WRONG: "wrong", ERROR: "error", ABSENT: "missing", UNCOUNTED: "not counted"}
"""As pages name them; site/assets/filter.js has the same. Not counted: the judged score does not cover the sample."""


@dataclass
class BoardRun:
    """One run's answers by position of the item. `state`: one character an item."""

    rows: list[Row | None]
    state: str
    values: np.ndarray
    """[items] the judged score, or [items, 2] numerator and denominator; NaN where there is none."""


@dataclass
class Items:
    """The items of a board, in order; arrays over them."""

    rows: list[Row]
    score: Score
    position: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.position = {row["id"]: i for i, row in enumerate(self.rows)}

    @cached_property
    def clusters(self) -> np.ndarray:
        return _codes([row["cluster"] for row in self.rows])

    @cached_property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(str(row["group"]) for row in self.rows))

    @cached_property
    def group(self) -> np.ndarray:
        at = {g: i for i, g in enumerate(self.groups)}
        return np.array([at[str(row["group"])] for row in self.rows], dtype=np.int64)


def items_of(store: Store, board: Board) -> Items:
    """Every sample that some run of the board has."""
    rows = store.query(sql("queries/board_items.sql"), {"runs": [e.run for e in board.entries]})
    known = dict.fromkeys(name for row in rows for name in row["scores"] or ())
    return Items(rows, board.judged(list(known)))


def played(store: Store, entry: BoardEntry, items: Items) -> BoardRun:
    return told(store.query(sql("queries/board_answers.sql"), {"run": entry.run}), items)


def told(found: Iterable[Row], items: Items) -> BoardRun:
    """A run's answers, given in any order."""
    rows: list[Row | None] = [None] * len(items.rows)
    for row in found:
        rows[items.position[row["id"]]] = row
    first, below = items.score.parts
    values = np.full((len(rows), 2) if below else len(rows), np.nan)
    state = []
    for i, row in enumerate(rows):
        scores = row["scores"] if row else None
        if row is None:
            state.append(ABSENT)
        elif not scores:
            state.append(ERROR)
        else:
            right = items.score.right(scores)
            state.append(UNCOUNTED if right is None else RIGHT if right else WRONG)
            values[i] = (scores.get(first), scores.get(below)) if below else scores.get(first)
    return BoardRun(rows, "".join(state), values)


def details_of(store: Store, board: Board, items: Items) -> list[dict[str, Any]]:
    """What some run noted about each item."""
    rows = store.query(sql("queries/board_details.sql"), {"runs": [e.run for e in board.entries]})
    by = {row["id"]: row["details"] for row in rows}
    return [json.loads(by.get(row["id"]) or "{}") or {} for row in items.rows]


def extras(items: Items, run: BoardRun, seen: Seen, folder: Path) -> list[dict[str, Any] | None]:
    """What a sample's own page adds to each answer: from the journal where that says more than the database."""
    journaled: dict[str, Result] = {}
    if (seen.task or journal.holds(folder / journal.FILE, "replies", "steps")) and (folder / journal.FILE).exists():
        journaled = {r.id: r for r in journal.read(folder / journal.FILE)}
    out: list[dict[str, Any] | None] = []
    for item, row in zip(items.rows, run.rows, strict=True):
        result = journaled.get(item["id"])
        if result is None and row and row["scores"] and (seen.task or row["details"]):
            noted = json.loads(row["details"] or "{}")
            outcome = Outcome(row["answer"] or "", row["scores"], row["verdict"], noted)
            result = Result(item["id"], item["cluster"], item["group"], None, outcome)
        out.append(beside(seen, result, folder) or None if result and row else None)
    return out


def page_rows(run: BoardRun, start: int, stop: int) -> list[list[Any]]:
    """[answer, verdict, scores, error, seconds, tokens, prompt tokens, why it ended] of each item, null where the run
    has none."""
    out: list[Any] = []
    for row in run.rows[start:stop]:
        if row is None:
            out.append(None)
            continue
        error = f"{row['fault']}: {row['message']}" if row["message"] is not None else None
        seconds = _rounded(row["latency"])
        scores = {k: v if v is not None and math.isfinite(v) else None for k, v in (row["scores"] or {}).items()}
        cost = [seconds, row["new_tokens"], row["prompt_tokens"], row["finish"]]
        out.append([row["answer"], row["verdict"], scores, error, *cost])
    return out


def target(row: Row) -> str:
    """An item's key as text."""
    value = row["target"]
    try:
        loaded = json.loads(value) if value is not None else None
    except ValueError:
        return str(value)
    if isinstance(loaded, list):
        return ", ".join(str(x) for x in loaded)
    return "" if loaded is None else loaded if isinstance(loaded, str) else json.dumps(loaded, sort_keys=True)


def _codes(names: list[Any]) -> np.ndarray:
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(n, len(seen)) for n in names], dtype=np.int64)


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 4) if seconds is not None and math.isfinite(seconds) else None

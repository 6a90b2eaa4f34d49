"""harness view: pages of samples, live from the run directories, while they run. On this machine only, read only.

The pages are those of the site; what they load from `data/` is made when it is asked for. Items keep the order in
which they came, so that a position stays what it was while a run grows.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.types import Result
from harness.leaderboard import samples
from harness.leaderboard.answers import BoardRun, Items, page_rows, told
from harness.leaderboard.board import Board, Row, boards
from harness.leaderboard.live import NEWEST, LiveRun, entry_of, found, item_of, row_of
from harness.leaderboard.pictures import Private
from harness.leaderboard.places import places
from harness.leaderboard.render import Renderer, source
from harness.leaderboard.samples import CLOSE, PAGE
from harness.leaderboard.seen import LONGEST, Seen, beside, seen

NAV = (("index.html", "Runs"), ("samples.html", "Samples"))
PAUSE = 1.0
"""Seconds for which what was read of the directories holds."""

PATIENCE = 5.0
"""Seconds that a page waits for the records of a task."""


@dataclass
class LiveBoard:
    """The runs of one set of records, and its items in the order in which they came."""

    board: Board
    items: dict[str, Row] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    told: Seen | None = None
    reader: threading.Thread | None = field(default=None, repr=False)


class View:
    """What the server answers. One lock: requests of one reader on one machine need not run side by side."""

    def __init__(self, results: Path):
        self.results = results
        self.pictures = Private()
        self.runs: dict[str, LiveRun] = {}
        self.boards: dict[str, LiveBoard] = {}
        self._lock = threading.Lock()
        self._looked = -math.inf

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """(MIME type, bytes) of an address; None where it is none of ours."""
        if path.startswith("private/"):
            return self.pictures.read(path)
        for pattern, make in ROUTES:
            if match := re.fullmatch(pattern, path):
                with self._lock:
                    self._look()
                    value = make(self, *match.groups())
                if value is not None:
                    return "application/json", json.dumps(value, allow_nan=False).encode("utf-8", "replace")
        return None

    def _look(self) -> None:
        """Read what is new in all directories, at most once a second."""
        if time.monotonic() - self._looked < PAUSE:
            return
        self.runs = found(self.results, self.runs)
        for run in self.runs.values():
            run.look()
        known = [run for run in self.runs.values() if run.record is not None]
        made = {b.slug: b for b in boards(sorted((entry_of(r) for r in known), key=lambda e: e.run))}
        self.boards = {s: self._board(s, b) for s, b in made.items()}
        self._looked = time.monotonic()

    def _board(self, name: str, board: Board) -> LiveBoard:
        """With the items of its runs so far; `name` may be another board's than before, where runs came or went."""
        old = self.boards.get(name)
        if old is None or (old.board.task, old.board.data, old.board.rules) != (board.task, board.data, board.rules):
            old = LiveBoard(board)
        old.board = board
        for entry in board.entries:
            for id_, result in self.runs[entry.run].tail.rows.items():
                if id_ not in old.items or (result.outcome and not old.items[id_]["scores"]):
                    old.items[id_] = item_of(result)
                    old.details[id_] = dict(result.outcome.details) if result.outcome else {}
        return old

    def _wanted(self, live: LiveBoard) -> LiveBoard:
        """The board with all samples of its runs, those of ended ones read now."""
        runs = [self.runs[e.run] for e in live.board.entries]
        fresh = [run for run in runs if not run.wanted]
        for run in fresh:
            run.wanted = True
            run.look()
        return self._board(live.board.slug, live.board) if fresh else live

    def _items(self, live: LiveBoard) -> Items:
        return Items(list(live.items.values()), self.runs[live.board.entries[-1].run].score())

    def _seen(self, live: LiveBoard) -> Seen:
        """What its task tells. Records that take long to read, as from the hub, are waited for once and not for long:
        until they are there, samples are shown without pictures and prompts."""
        if live.reader is None:
            live.reader = threading.Thread(target=self._read, args=(live, live.board), daemon=True)
            live.reader.start()
            live.reader.join(PATIENCE)
        return live.told or Seen()

    def _read(self, live: LiveBoard, board: Board) -> None:
        told = seen(board, None, self.pictures, private=True)
        told.longest = LONGEST
        live.told = told

    def _run(self, slug: str) -> tuple[LiveRun, LiveBoard] | None:
        run = next((r for r in self.runs.values() if r.slug == slug), None)
        if run is None or run.record is None:
            return None
        board = next(b for b in self.boards.values() if any(e.run == run.directory.name for e in b.board.entries))
        return run, self._wanted(board)

    def listed(self) -> Any:
        """Every run, newest first."""
        now = time.time()
        rows = [run.summary(now) for run in self.runs.values()]
        return sorted(rows, key=lambda r: (r["started"] or "~", r["run"]), reverse=True)

    def one(self, slug: str) -> Any:
        """A run with its newest samples, its numbers and its log."""
        run = next((r for r in self.runs.values() if r.slug == slug), None)
        if run is None:
            return None
        pair = self._run(slug)
        made: dict[str, Any] = {**run.summary(time.time()), "log": run.log(), "board": "", "newest": [], "metrics": []}
        if pair is None:
            return made
        board = pair[1]
        told, score = self._seen(board), run.score()
        newest = run.results[: -NEWEST - 1 : -1]
        shown = [
            [*_item(board, told, r), page_rows(BoardRun([row_of(r)], "", EMPTY), 0, 1)[0], run.state(r, score)]
            for r in newest
        ]
        metrics = [[m.name, m.group, *map(_finite, (m.value, m.low, m.high))] for m in run.metrics()]
        return {**made, "board": board.board.slug, "newest": shown, "metrics": metrics}

    def named(self) -> Any:
        return [{"slug": b.board.slug, "name": b.board.name} for b in self.boards.values()]

    def board(self, slug: str, part: str) -> Any:
        live = self.boards.get(slug)
        if live is None:
            return None
        live = self._wanted(live)
        items, told = self._items(live), self._seen(live)
        if part == "index":
            index = samples.board_index(live.board, items, told, places(told.places, list(live.details.values())))
            return {**index, "about": "", "ids": list(live.items)}
        return samples.item_rows(items, told, int(part) * PAGE)

    def board_seen(self, slug: str, chunk: str) -> Any:
        live = self.boards.get(slug)
        if live is None:
            return None
        live = self._wanted(live)
        return samples.seen_rows(self._items(live), self._seen(live), int(chunk) * CLOSE)

    def answers(self, slug: str, part: str) -> Any:
        pair = self._run(slug)
        if pair is None:
            return None
        run, board = pair
        items = self._items(board)
        made = told(map(row_of, run.results), Items(items.rows, run.score()))
        if part == "index":
            entry = next(e for e in board.board.entries if e.run == run.directory.name)
            more = [{"more": 1}] * len(items.rows)
            return {**samples.run_index(board.board, entry, made, more), "about": f"run.html?run={slug}"}
        return page_rows(made, int(part) * PAGE, (int(part) + 1) * PAGE)

    def answers_seen(self, slug: str, chunk: str) -> Any:
        pair = self._run(slug)
        if pair is None:
            return None
        run, board = pair
        ids = list(board.items)[int(chunk) * CLOSE : (int(chunk) + 1) * CLOSE]
        rows = [run.tail.rows.get(id_) for id_ in ids]
        return [beside(self._seen(board), r, run.directory.path) if r else None for r in rows]


EMPTY: Any = ()
ROUTES: tuple[tuple[str, Callable[..., Any]], ...] = (
    (r"live\.json", View.listed),
    (r"live/([\w.+-]+)\.json", View.one),
    (r"data/boards\.json", View.named),
    (r"data/boards/([\w.+-]+)/(index|\d+)\.json", View.board),
    (r"data/boards/([\w.+-]+)/seen/(\d+)\.json", View.board_seen),
    (r"data/runs/([\w.+-]+)/(index|\d+)\.json", View.answers),
    (r"data/runs/([\w.+-]+)/seen/(\d+)\.json", View.answers_seen),
)


def write(folder: Path, results: Path) -> None:
    """The pages and their assets; everything else is asked for."""
    site = Renderer(folder, {"nav": NAV, "live": True, "results": results.name})
    for path in sorted((source() / "assets").iterdir()):
        site.bytes(f"assets/{path.name}", path.read_bytes())
    for page, template in (("index", "live"), ("run", "live-run"), ("samples", "samples"), ("sample", "sample")):
        site.page(f"{page}.html", f"{template}.html")


def _item(board: LiveBoard, told: Seen, result: Result) -> list[Any]:
    row = board.items[result.id]
    return [result.id, result.group, row["question"] or row["image"] or "", told.files(result.id)]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

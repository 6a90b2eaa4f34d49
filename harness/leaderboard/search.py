"""An index of the samples' words, in files of bounded size: a search loads those that its words lie in.

data/boards/<board>/words/index.json: {"first": the first word of each file}, and <n>.json: [[word, positions]].
Positions are those of the items, each less the one before; none for words that most samples have.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from harness.leaderboard.board import Board
from harness.leaderboard.render import Renderer
from harness.store import Store
from harness.store.database import sql

LONGEST = 4_000
"""Characters of a text whose words are found."""
SHARD = 48_000
"""Bytes of one file, about."""
COMMON = 0.5
"""Words that more than this share of the samples have narrow nothing down, and are stored without positions."""

Word = tuple[str, list[int]]


def index(site: Renderer, store: Store, board: Board, count: int) -> None:
    """`count`: the board's samples."""
    values = {"runs": [e.run for e in board.entries], "longest": LONGEST, "common": max(1, int(COMMON * count))}
    rows = store.query(sql("queries/board_words.sql"), values)
    base, first = f"data/boards/{board.slug}/words", []
    for n, shard in enumerate(_shards(rows)):
        site.json(f"{base}/{n}.json", shard)
        first.append(shard[0][0])
    site.json(f"{base}/index.json", {"first": first})


def _shards(rows: list[dict[str, Any]]) -> Iterator[list[Word]]:
    shard: list[Word] = []
    size = 0
    for row in rows:
        positions = row["found"] or []
        steps = [b - a for a, b in itertools.pairwise([0, *positions])]
        shard.append((row["word"], steps))
        size += len(json.dumps(shard[-1], ensure_ascii=False, separators=(",", ":")))
        if size > SHARD:
            yield shard
            shard, size = [], 0
    if shard:
        yield shard

"""Samples in pages of JSON: items once for a board, answers for each run, and comparisons of its runs.

A page of samples loads the chunks that it shows, found by position: `index.json` of a board has the first id of each.
What only a sample's own page shows (prompt, marks, steps, raw replies) lies in `seen/`, in smaller chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.leaderboard.answers import BoardRun, Items, page_rows, target
from harness.leaderboard.board import Board, BoardEntry, slug
from harness.leaderboard.inside import Inside
from harness.leaderboard.render import Renderer
from harness.leaderboard.seen import Seen
from harness.leaderboard.versus import Comparisons, verdicts

PAGE = 200
"""Samples in one file."""
CLOSE = 20
"""Samples in one file of `seen/`."""

Extras = Sequence[dict[str, Any] | None]
"""What `harness.leaderboard.seen` tells about each answer of a run."""


def board_index(board: Board, found: Items, seen: Seen, places: dict[str, Any] | None) -> dict[str, Any]:
    """data/boards/<board>/index.json. `places`: see `harness.leaderboard.places`."""
    group = "".join(chr(48 + g) for g in found.group.tolist()) if len(found.groups) <= 60 else ""
    return {
        "name": board.name,
        "about": f"task/{board.slug}.html",
        "task": board.task,
        "tier": board.tier,
        "page": PAGE,
        "seen": CLOSE if seen.task else 0,
        "count": len(found.rows),
        "first": [row["id"] for row in found.rows[::PAGE]],
        "groups": found.groups,
        "group": group,
        "places": places,
        "runs": [
            {
                "run": e.run,
                "slug": slug(e.run),
                "label": f"{e.method}, {e.model}",
                "method": e.method,
                "model": e.model,
                "settings": e.settings,
                "ranked": e in board.ranked,
                "metric": board.metric,
                "parser": _parser(e),
                **_before(e),
            }
            for e in board.entries
        ],
    }


def item_rows(found: Items, seen: Seen, start: int) -> list[list[Any]]:
    """data/boards/<board>/<page>.json: [id, cluster, group, target, question, pictures]."""
    return [
        [r["id"], r["cluster"], r["group"], target(r), r["question"] or r["image"] or "", seen.files(r["id"])]
        for r in found.rows[start : start + PAGE]
    ]


def seen_rows(found: Items, seen: Seen, start: int) -> list[list[Any]]:
    """Prompt and marks of each sample, as data/boards/<board>/seen/<chunk>.json holds them."""
    return [[seen.prompt(r["id"]), seen.marks(r["id"])] for r in found.rows[start : start + CLOSE]]


def run_index(
    board: Board, entry: BoardEntry, run: BoardRun, more: Extras, read: Inside | None = None
) -> dict[str, Any]:
    """data/runs/<run>/index.json: one character an item, the chunks of `seen/` that there are, items with `maps/`."""
    return {
        "run": entry.run,
        "board": board.slug,
        "label": f"{entry.method}, {entry.model}",
        "page": PAGE,
        "state": run.state,
        "about": entry.page,
        "seen": CLOSE,
        "chunks": [start // CLOSE for start, _ in _chunks(more)],
        **({"maps": sorted(read.maps), "acting": read.acting} if read and read.maps else {}),
    }


def items(site: Renderer, board: Board, found: Items, seen: Seen, places: dict[str, Any] | None) -> None:
    """The files of a board's items."""
    base = f"data/boards/{board.slug}"
    site.json(f"{base}/index.json", board_index(board, found, seen, places))
    for start in range(0, len(found.rows), PAGE):
        site.json(f"{base}/{start // PAGE}.json", item_rows(found, seen, start))
    for start in range(0, len(found.rows) if seen.task else 0, CLOSE):
        site.json(f"{base}/seen/{start // CLOSE}.json", seen_rows(found, seen, start))


def answers(
    site: Renderer, board: Board, entry: BoardEntry, run: BoardRun, more: Extras, read: Inside | None = None
) -> None:
    """The files of a run's answers."""
    base = f"data/runs/{slug(entry.run)}"
    site.json(f"{base}/index.json", run_index(board, entry, run, more, read))
    for position, maps in read.maps.items() if read else ():
        site.json(f"{base}/maps/{position}.json", maps)
    for start in range(0, len(run.rows), PAGE):
        site.json(f"{base}/{start // PAGE}.json", page_rows(run, start, start + PAGE))
    for start, rows in _chunks(more):
        site.json(f"{base}/seen/{start // CLOSE}.json", rows)


def comparisons(site: Renderer, board: Board, found: Comparisons) -> None:
    """data/compare/<run>.json: this run against every other of its board, by group; `corrected`: the p of the rankings,
    and the number in `families` of what it is corrected for."""
    judged = verdicts(board, found)
    families = list(dict.fromkeys(words for _, words in judged.values()))
    for entry in board.ranked:
        rows, corrected = {}, {}
        for other in board.ranked:
            if other.run != entry.run:
                pairs = [(g, found.of(entry.run, other.run, g)) for g in found.groups]
                rows[other.run] = [
                    [g, *map(_short, (p.value, p.low, p.high, p.p)), p.n, p.worse, p.better] for g, p in pairs if p
                ]
                known = judged.get((entry.run, other.run)) or judged.get((other.run, entry.run))
                if known:
                    corrected[other.run] = [_short(known[0]), families.index(known[1])]
        site.json(
            f"data/compare/{slug(entry.run)}.json",
            {
                "run": entry.run,
                "board": board.slug,
                "label": f"{entry.method}, {entry.model}",
                "metric": board.metric,
                "higher": board.higher,
                "others": rows,
                "corrected": corrected,
                "families": families,
            },
        )


def _chunks(more: Extras) -> Iterator[tuple[int, Extras]]:
    """The chunks in which some answer has more."""
    for start in range(0, len(more), CLOSE):
        rows = more[start : start + CLOSE]
        if any(rows):
            yield start, rows


def _parser(entry: BoardEntry) -> str:
    """The setting by which answers are read."""
    facts = entry.row["task_facts"] or {}
    return str(facts.get("parser") or "")


def _before(entry: BoardEntry) -> dict[str, Any]:
    """What this run put before the task's own prompt: a system message, answered examples."""
    identity = entry.row["identity"] or {}
    shots = (identity.get("fewshot") or {}).get("count")
    system = identity.get("system")
    return {**({"system": str(system)} if system else {}), **({"fewshot": int(shots)} if shots else {})}


def _short(value: float | None) -> float | None:
    """Six significant digits; null where undefined."""
    return None if value is None or value != value else float(f"{value:.6g}")

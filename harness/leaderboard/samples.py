"""Samples in pages of JSON: items once for a board, answers for each run, and comparisons of its runs."""

from __future__ import annotations

from harness.leaderboard.answers import BoardRun, Items, page_rows, target
from harness.leaderboard.board import Board, BoardEntry, slug
from harness.leaderboard.render import Renderer
from harness.leaderboard.versus import Comparisons

PAGE = 200
"""Samples in one file."""


def items(site: Renderer, board: Board, found: Items, files: dict[str, list[str]]) -> None:
    """data/boards/<board>/index.json and <page>.json: [id, cluster, group, target, question, pictures]."""
    base = f"data/boards/{board.slug}"
    group = "".join(chr(48 + g) for g in found.group.tolist()) if len(found.groups) <= 60 else ""
    site.json(
        f"{base}/index.json",
        {
            "name": board.name,
            "count": len(found.rows),
            "page": PAGE,
            "groups": found.groups,
            "group": group,
            "runs": [
                {
                    "run": e.run,
                    "slug": slug(e.run),
                    "label": f"{e.method}, {e.model}",
                    "settings": e.settings,
                    "ranked": e in board.ranked,
                }
                for e in board.entries
            ],
        },
    )
    for start in range(0, len(found.rows), PAGE):
        rows = [
            [r["id"], r["cluster"], r["group"], target(r), r["question"] or r["image"] or "", files.get(r["id"], [])]
            for r in found.rows[start : start + PAGE]
        ]
        site.json(f"{base}/{start // PAGE}.json", rows)


def answers(site: Renderer, board: Board, entry: BoardEntry, run: BoardRun) -> None:
    """data/runs/<run>/index.json with one character an item, and pages of answers."""
    base = f"data/runs/{slug(entry.run)}"
    label = f"{entry.method}, {entry.model}"
    site.json(
        f"{base}/index.json",
        {"run": entry.run, "board": board.slug, "label": label, "page": PAGE, "state": run.state, "about": entry.page},
    )
    for start in range(0, len(run.rows), PAGE):
        site.json(f"{base}/{start // PAGE}.json", page_rows(run, start, start + PAGE))


def comparisons(site: Renderer, board: Board, found: Comparisons) -> None:
    """data/compare/<run>.json: this run against every other of its board, by group."""
    for entry in board.ranked:
        rows = {}
        for other in board.ranked:
            if other.run != entry.run:
                pairs = [(g, found.of(entry.run, other.run, g)) for g in found.groups]
                rows[other.run] = [
                    [g, *map(_short, (p.value, p.low, p.high, p.p)), p.n, p.worse, p.better] for g, p in pairs if p
                ]
        site.json(
            f"data/compare/{slug(entry.run)}.json",
            {
                "run": entry.run,
                "board": board.slug,
                "label": f"{entry.method}, {entry.model}",
                "metric": board.metric,
                "higher": board.higher,
                "others": rows,
            },
        )


def _short(value: float | None) -> float | None:
    """Six significant digits; null where undefined."""
    return None if value is None or value != value else float(f"{value:.6g}")

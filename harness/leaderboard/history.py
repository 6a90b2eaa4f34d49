"""Scores and speed over commits: a page for each task that has more than one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError
from harness.gate.history import LevelChange, Series, read_marks
from harness.gate.history import history as series_of
from harness.leaderboard.board import Board, slug
from harness.leaderboard.figures.dots import Dot
from harness.leaderboard.figures.series import line
from harness.leaderboard.render import Renderer


def history(site: Renderer, results: Path, made: Sequence[Board]) -> dict[str, list[Series]]:
    """Task -> its series of more than one commit."""
    marks = read_marks(results / "baseline" / "steps.json")
    found: dict[str, list[Series]] = {}
    for name in sorted({b.task for b in made}):
        try:
            series = [s for s in series_of(results, name, marks=marks) if len({p.commit for p in s.points}) > 1]
        except HarnessError:
            continue
        if series:
            found[name] = series
    site.page("history.html", "history.html", lines=[_line(name, series) for name, series in found.items()])
    for name, series in found.items():
        site.page(f"history/{slug(name)}.html", "series.html", name=name, parts=[_drawn(s) for s in series])
    return found


def _line(name: str, series: Sequence[Series]) -> dict[str, Any]:
    """What the list of all tasks says of one."""
    changes = [(s, c) for s in series for c in s.changes]
    return {
        "name": name,
        "series": len(series),
        "runs": len({p.run for s in series for p in s.points}),
        "first": _day(min(p.moment for s in series for p in s.points)),
        "last": _day(max(p.moment for s in series for p in s.points)),
        "open": sum(c.state == "open" for _, c in changes),
        "newest": max(changes, key=lambda sc: sc[1].first_bad.moment, default=None),
    }


def _drawn(series: Series) -> dict[str, Any]:
    dots = [
        Dot(
            i,
            p.value,
            f"{_day(p.moment)} {p.commit[:10] or p.run}",
            p.value - 1.96 * p.error,
            p.value + 1.96 * p.error,
            link=f"../run/{slug(p.run)}.html",
        )
        for i, p in enumerate(series.points)
    ]
    at = {p.run: i for i, p in enumerate(series.points)}
    marks = [(at[c.first_bad.run], f"step {c.id}") for c in series.changes]
    return {
        "series": series,
        "plot": line(dots, _title(series), marks),
        "changes": map(_change, series.changes),
    }


def _title(series: Series) -> str:
    return "seconds a sample" if series.kind == "seconds" else series.kind


def _change(change: LevelChange) -> dict[str, Any]:
    word = {True: "better", False: "worse", None: "changed"}[change.better]
    return {"change": change, "word": word, "day": _day(change.first_bad.moment)}


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")

"""One function a kind of page: gathers what its template shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import HarnessError
from harness.gate.history import Series, read_marks
from harness.gate.history import history as series_of
from harness.judge.report import lines as judge_lines
from harness.leaderboard import figures
from harness.leaderboard.answers import WORDS, BoardRun, Items, page_rows, target
from harness.leaderboard.board import Board, BoardEntry, slug, tidy
from harness.leaderboard.published import Figure, plain
from harness.leaderboard.render import Renderer
from harness.leaderboard.versus import Comparisons, against_vanilla, cost_ratio, ranks
from harness.plugins.cards import bibtex
from harness.plugins.plugin import Plugin

SHOWN = 10
"""Samples on a run's own page, which reads without JavaScript."""
LISTED = 200
"""Published rows on one page; the CSV has all."""

Cards = Mapping[str, Mapping[str, Plugin]]
Rankings = Mapping[tuple[str, str], dict[str, Any]]
"""(board, model) -> what `ranking` made."""


def shared(found: Sequence[BoardEntry], made: Sequence[Board], cards: Cards) -> dict[str, Any]:
    """What every page may use: the navigation, titles, and when the newest run ended."""
    ends = [e.row["finished"] for e in found if e.row["finished"]]
    return {
        "boards": list(made),
        "methods": sorted({e.method for e in found}),
        "models": sorted({e.model for e in found}),
        "cards": cards,
        "newest": max(ends).strftime("%Y-%m-%d") if ends else "",
        "runs": len(found),
    }


def empty(site: Renderer, results: Path) -> None:
    site.page("index.html", "empty.html", results=results.name)


def about(site: Renderer) -> None:
    site.page("about.html", "about.html")


def compare(site: Renderer, made: Sequence[Board]) -> None:
    """The two-run page; its choices lie in data/boards.json."""
    site.json("data/boards.json", [{"slug": b.slug, "name": b.name} for b in made])
    site.page("compare.html", "compare.html")


def samples(site: Renderer) -> None:
    site.page("samples.html", "samples.html")


def tasks(site: Renderer, made: Sequence[Board], ranked: Rankings, published: Sequence[Figure]) -> None:
    site.page("tasks.html", "tasks.html")
    for board in made:
        parts = [ranked[board.slug, model] for model in board.models]
        chance, oracle = board.reference("chance"), board.reference("oracle")
        others = [e for e in board.entries if e.flaws]
        stated = [f for f in published if f.task == board.task and board.tier == "official" and f.data == board.data]
        site.page(
            f"task/{board.slug}.html",
            "task.html",
            board=board,
            card=_card(site, "task", board.task),
            parts=parts,
            chance=chance,
            oracle=oracle,
            others=others,
            published=stated[:LISTED],
        )


def ranking(board: Board, model: str, found: Comparisons) -> dict[str, Any]:
    """Rows with ranges of ranks, splits and the figure of one model on one board."""
    members = sorted(board.of(model), key=lambda e: (-(e.value or 0) if board.higher else (e.value or 0), e.run))
    vanilla, placed = against_vanilla(board, model, found), ranks(board, members, found)
    base = board.newest(model).get("vanilla")
    levels = [e.value for e in (board.reference("chance"),) if e and e.value is not None]
    span = figures.span([v for e in members for v in (e.row["low"], e.row["high"], e.value)])
    rows = [
        {
            "entry": e,
            "rank": placed[e.run],
            "pair": vanilla.get(e.run),
            "sign": vanilla[e.run].sign(board.higher) if e.run in vanilla else 0,
            "cost": cost_ratio(e, base),
            "bar": figures.bar(
                e.value, e.row["low"], e.row["high"], span, [v for v in levels if span[0] <= v <= span[1]]
            ),
        }
        for e in members
    ]
    groups = list(dict.fromkeys(m["group"] for e in members for m in e.metrics if m["name"] == board.metric))
    splits = [(e, {m["group"]: m for m in e.metrics if m["name"] == board.metric}) for e in members if len(groups) > 1]
    dots = [
        figures.Dot(x=ratio, y=e.value, name=e.method, low=e.row["low"], high=e.row["high"], kind=_kind(e.method))
        for e in board.newest(model).values()
        if (ratio := cost_ratio(e, base)) is not None and e.value is not None
    ]
    plot = (
        figures.scatter(dots, "cost of a sample, times vanilla's", board.metric, board.higher) if len(dots) > 1 else ""
    )
    return {"model": model, "rows": rows, "groups": groups, "splits": splits, "plot": plot}


def _kind(method: str) -> str:
    return "base" if method == "vanilla" else ""


def _card(site: Renderer, group: str, name: str) -> dict[str, Any]:
    """The plug-in's card with its BibTeX; empty where it is not installed."""
    plugin = site.shared["cards"][group].get(name)
    if plugin is None:
        return {}
    return {
        **plugin.card,
        "verified": plugin.verified,
        "name": name,
        "bibtex": bibtex(plugin),
        "defaults": plugin.defaults,
        "presets": plugin.presets,
    }


def methods(
    site: Renderer,
    found: Sequence[BoardEntry],
    made: Sequence[Board],
    ranked: Rankings,
    published: Sequence[Figure],
) -> None:
    site.page("methods.html", "methods.html", counts={m: sum(e.method == m for e in found) for m in names(found)})
    for name in names(found):
        rows = [
            {"board": b, **row}
            for b in made
            for model in b.models
            for row in ranked[b.slug, model]["rows"]
            if row["entry"].method == name
        ]
        parts = [_card(site, "method", part) for part in name.split("+")]
        stated = [{"figure": f, "agrees": _agrees(f, found)} for f in published if plain(f.method) == plain(name)]
        site.page(
            f"method/{slug(name)}.html",
            "method.html",
            name=name,
            parts=[p for p in parts if p],
            rows=rows,
            published=stated[:LISTED],
            left_out=max(0, len(stated) - LISTED),
        )


def names(found: Sequence[BoardEntry]) -> list[str]:
    return sorted({e.method for e in found})


def _agrees(stated: Figure, found: Sequence[BoardEntry]) -> str:
    """Whether a measured run of the same thing has the published value in its interval."""
    for e in reversed(found):
        if (e.task, e.data) != (stated.task, stated.data) or plain(e.method) != plain(stated.method):
            continue
        if plain(e.model) != plain(stated.model) or e.flaws or e.row["limit"] is not None:
            continue
        for m in e.metrics:
            if m["name"] == stated.metric and m["group"] == stated.group and m["low"] is not None:
                inside = m["low"] <= stated.value <= m["high"]
                return f"{'agrees' if inside else 'differs'}: measured {figures.number(m['value'])}"
    return ""


def models(site: Renderer, found: Sequence[BoardEntry], made: Sequence[Board], ranked: Rankings) -> None:
    site.page("models.html", "models.html", counts={m: sum(e.model == m for e in found) for m in site.shared["models"]})
    for name in site.shared["models"]:
        parts = [(b, ranked[b.slug, name]) for b in made if b.of(name)]
        rest = [e for e in found if e.model == name and e.flaws]
        facts = next((e.row["model_facts"] for e in reversed(found) if e.model == name and e.row["model_facts"]), {})
        site.page(
            f"model/{slug(name)}.html",
            "model.html",
            name=name,
            card=_card(site, "model", name),
            facts=tidy(facts or {}),
            parts=parts,
            rest=rest,
        )


def run(
    site: Renderer, board: Board, entry: BoardEntry, items: Items, played: BoardRun, files: Mapping[str, list[str]]
) -> None:
    latencies = [r["latency"] for r in played.rows if r and r["latency"]]
    faults = [(items.rows[i], r) for i, r in enumerate(played.rows) if r and r["message"] is not None]
    shown = [
        (item, answer, files.get(item["id"], []), played.state[i])
        for i, (item, answer) in enumerate(zip(items.rows[:SHOWN], page_rows(played, 0, SHOWN), strict=True))
        if answer is not None
    ]
    config = tidy({k: v for k, v in (entry.row["config"] or {}).items() if k not in ("overrides", "results")})
    groups = list(dict.fromkeys(m["group"] for m in entry.metrics))
    site.page(
        entry.page,
        "run.html",
        entry=entry,
        board=board,
        groups=groups,
        metrics=_by_name(entry.metrics),
        config=yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True),
        command=tidy(str(entry.row["command"] or "")),
        packages=sorted((entry.row["packages"] or {}).items()),
        hardware=entry.row["hardware"] or {},
        latency=figures.histogram(latencies, "seconds a sample"),
        faults=faults[:20],
        fault_count=len(faults),
        shown=shown,
        words=WORDS,
        counts={k: played.state.count(k) for k in WORDS},
        target=target,
        judge=list(judge_lines(told)) if (told := (entry.row["task_facts"] or {}).get("judge")) else [],
    )


def _by_name(metrics: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for m in metrics:
        out.setdefault(m["name"], {})[m["group"]] = m
    return out


def history(site: Renderer, results: Path, made: Sequence[Board]) -> dict[str, list[Series]]:
    """Scores and speed over commits of each task that has more than one."""
    names_ = sorted({b.task for b in made})
    marks = read_marks(results / "baseline" / "steps.json")
    found: dict[str, list[Series]] = {}
    for name in names_:
        try:
            found[name] = [s for s in series_of(results, name, marks=marks) if len({p.commit for p in s.points}) > 1]
        except HarnessError:
            found[name] = []
    site.page("history.html", "history.html", found={k: len(v) for k, v in found.items() if v})
    for name, series in found.items():
        if series:
            site.page(f"history/{slug(name)}.html", "series.html", name=name, parts=[_drawn(s) for s in series])
    return found


def _drawn(series: Series) -> dict[str, Any]:
    dots = [
        figures.Dot(i, p.value, p.commit or p.run, p.value - 1.96 * p.error, p.value + 1.96 * p.error)
        for i, p in enumerate(series.points)
    ]
    at = {p.run: i for i, p in enumerate(series.points)}
    marks = [(at[c.first_bad.run], f"step {c.id}") for c in series.changes]
    return {"series": series, "plot": figures.line(dots, series.kind, marks)}

"""One function a kind of page: gathers what its template shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.judge.report import lines as judge_lines
from harness.leaderboard import curves, levels, method_facts
from harness.leaderboard.answers import WORDS, BoardRun, Items, page_rows, target
from harness.leaderboard.board import REFERENCES, Board, BoardEntry, slug, tidy
from harness.leaderboard.changes import Reads, changes
from harness.leaderboard.cited import tables
from harness.leaderboard.faults import Fault, FaultSum
from harness.leaderboard.figures.histogram import histogram
from harness.leaderboard.groups import GroupSum
from harness.leaderboard.inside import Inside
from harness.leaderboard.lines import MethodLine, MethodRow, ModelLine
from harness.leaderboard.published import Figure, plain
from harness.leaderboard.ranking import Ranking, choices
from harness.leaderboard.remote import repository
from harness.leaderboard.render import Renderer
from harness.leaderboard.reproduce import command, versions
from harness.leaderboard.seen import Seen
from harness.leaderboard.zoo import ZooBoard, of_zoo
from harness.plugins.cards import bibtex
from harness.plugins.plugin import Plugin

SHOWN = 10
"""Samples on a run's own page, which reads without JavaScript."""
LISTED = 200
"""Published rows on one page; the CSV has all."""
FEW = 3
"""More versions than these are not listed."""
LISTED_FAULTS = 20
"""Kinds of errors of one run that are shown in full."""

Cards = Mapping[str, Mapping[str, Plugin]]
Rankings = Mapping[tuple[str, str], Ranking]
"""(board, model) -> what `ranking` made."""


NAV = (
    ("index.html", "Overview"),
    ("tasks.html", "Tasks"),
    ("methods.html", "Methods"),
    ("models.html", "Models"),
    ("probes.html", "Probes"),
    ("zoo.html", "Zoo"),
    ("compare.html", "Compare"),
    ("samples.html", "Samples"),
    ("search.html", "Search"),
    ("history.html", "History"),
    ("downloads.html", "Data"),
    ("about.html", "About the numbers"),
)


@dataclass(frozen=True)
class BoardSums:
    """What a board's runs get right and wrong together: by group, and by kind of error."""

    groups: list[GroupSum]
    faults: list[FaultSum]


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
        "nav": NAV,
        "live": False,
        "repository": repository(),
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
    """The list of samples, and the page of one; what they show is loaded from data/."""
    site.page("samples.html", "samples.html")
    site.page("sample.html", "sample.html")


def search(site: Renderer) -> None:
    site.page("search.html", "search.html")


def tasks(
    site: Renderer,
    made: Sequence[Board],
    ranked: Rankings,
    published: Sequence[Figure],
    found: Sequence[BoardEntry],
    sums: Mapping[str, BoardSums],
    zoo: Mapping[str, ZooBoard],
) -> None:
    """`zoo`: of the boards that have models which are trained here; those share one ranking."""
    site.page("tasks.html", "tasks.html")
    for board in made:
        parts = [ranked[board.slug, model] for model in board.models]
        if board.slug in zoo:
            parts = [p for p in parts if any(r.entry.method != "vanilla" for r in p.rows)]
        stated = levels.of_board(board, published)
        cited, left_out = tables(stated, found, lambda f: f.source, LISTED)
        site.json(f"data/metrics/{board.slug}.json", choices(board, stated))
        entries = [r.entry for p in parts for r in p.rows]
        commands = [command(e, site.shared["cards"]["model"]) for e in entries]
        site.page(
            f"task/{board.slug}.html",
            "task.html",
            board=board,
            card=_card(site, "task", board.task),
            parts=parts,
            zoo=zoo.get(board.slug),
            choices=_choices(board),
            chance=board.reference("chance"),
            oracle=board.reference("oracle"),
            others=[e for e in board.entries if e.flaws],
            sums=sums[board.slug],
            names={e.run: f"{e.method} on {e.model}" for e in board.entries},
            pages={e.run: e.page for e in board.entries},
            commands=list(dict.fromkeys(filter(None, commands))),
            how=_versions(entries),
            cited=cited,
            left_out=left_out,
        )


def _versions(entries: Sequence[BoardEntry]) -> str:
    found = sorted({versions(e) for e in entries} - {""})
    return ", ".join(found) if len(found) <= FEW else "several versions, which each run's page names"


def _choices(board: Board) -> dict[str, list[str]]:
    """Metric -> its splits, the primary metric first."""
    out: dict[str, dict[str, None]] = {board.metric: {board.group: None}}
    for e in board.ranked:
        for m in e.metrics:
            out.setdefault(m["name"], {})[m["group"]] = None
    return {name: list(groups) for name, groups in out.items()}


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
    }


def methods(
    site: Renderer,
    found: Sequence[BoardEntry],
    made: Sequence[Board],
    ranked: Rankings,
    published: Sequence[Figure],
) -> None:
    """The table of all methods, and a page each."""
    lines, played = [], names(found)
    unplayed = sorted(site.shared["cards"]["method"].keys() - {part for name in played for part in name.split("+")})
    for name in [*played, *unplayed]:
        rows = [
            MethodRow(board, row)
            for board in made
            for model in board.models
            for row in ranked[board.slug, model].rows
            if row.entry.method == name
        ]
        if name in played:
            lines.append(MethodLine.of(name, sum(e.method == name for e in found), rows))
        parts = [_about(site, part, found) for part in name.split("+")]
        stated = [f for f in published if plain(f.method) == plain(name)]
        cited, left_out = tables(stated, found, lambda f: f"{f.task} / {f.data}", LISTED)
        site.page(
            f"method/{slug(name)}.html",
            "method.html",
            name=name,
            parts=[p for p in parts if p],
            gains=method_facts.gains(rows),
            rows=rows,
            cited=cited,
            left_out=left_out,
        )
    lines.sort(key=lambda x: (x.name != "vanilla", -x.wins + x.losses, x.name))
    site.page("methods.html", "methods.html", lines=lines, unplayed=unplayed)


def _about(site: Renderer, name: str, found: Sequence[BoardEntry]) -> dict[str, Any]:
    """A method's card, settings and composition; empty where it is not installed."""
    card = _card(site, "method", name)
    if not card:
        return {}
    plugin = site.shared["cards"]["method"][name]
    return {
        **card,
        "settings": method_facts.settings(plugin),
        "presets": method_facts.presets(plugin),
        "untuned": plugin.untuned,
        "composition": method_facts.composition(plugin),
        "together": method_facts.together(name, found),
    }


def probes(site: Renderer, made: Sequence[Board], read: Reads) -> None:
    """The list of probes, and a page each with what methods change in it."""
    cards, listed = site.shared["cards"]["method"], []
    runs = Counter(p for _, found in read.values() for x in found for p in x.probes)
    for name in sorted(runs):
        found = [c for b in made if b.slug in read for c in changes(b, *read[b.slug], name)]
        title = cards[name].title if name in cards else ""
        most = max((row for c in found for row in c.rows), key=lambda r: r.size, default=None)
        listed.append({"name": name, "title": title, "runs": runs[name], "most": most.entry.acting if most else ""})
        site.page(f"probe/{slug(name)}.html", "probe.html", name=name, card=_card(site, "method", name), tables=found)
    site.page("probes.html", "probes.html", probes=listed)


def names(found: Sequence[BoardEntry]) -> list[str]:
    return sorted({e.method for e in found})


def models(site: Renderer, found: Sequence[BoardEntry], made: Sequence[Board], ranked: Rankings) -> None:
    """The table of all models, and a page each."""
    lines = []
    for name in sorted(site.shared["models"], key=lambda m: (m in REFERENCES, m)):
        parts = [(b, ranked[b.slug, name]) for b in made if b.of(name)]
        own = [e for e in found if e.model == name]
        here = bool(own) and all(map(of_zoo, own))
        facts = next((e.row["model_facts"] for e in reversed(own) if e.row["model_facts"]), {})
        if not here:
            lines.append(ModelLine.of(name, own, [(b, r) for b, r in parts if not b.partial], tidy(facts or {})))
        site.page(
            f"model/{slug(name)}.html",
            "model.html",
            name=name,
            card=_card(site, "model", name),
            facts={} if here else tidy(facts or {}),
            courses=trained(own) if here else {},
            parts=parts,
            rest=[e for e in own if e.flaws],
        )
    site.page("models.html", "models.html", lines=lines)


def trained(own: Sequence[BoardEntry]) -> dict[str, Any]:
    """What a model of the zoo was trained on: course -> the facts of its newest run, with the figure of its curve."""
    out: dict[str, Any] = {}
    for entry in own:
        for course, facts in entry.row["model_facts"]["courses"].items():
            points = facts.get("curve") or []
            names = curves.parts([points])
            drawn = [c for name in names if (c := curves.curve(name, [points], name))]
            plot = curves.drawn(drawn, str(facts.get("score") or "score"))
            told = {k: v for k, v in facts.items() if k not in ("curve", "name", "course")}
            out[course] = {**tidy(told), "plot": plot}
    return out


def zoo(site: Renderer, made: Sequence[ZooBoard]) -> None:
    """Recall against state: the models that are trained here, on all their boards."""
    site.page("zoo.html", "zoo.html", parts=sorted(made, key=lambda z: (z.board.partial, -len(z.models))))


def run(
    site: Renderer,
    board: Board,
    entry: BoardEntry,
    items: Items,
    played: BoardRun,
    seen: Seen,
    faults: Sequence[Fault],
    read: Inside | None = None,
) -> None:
    latencies = [r["latency"] for r in played.rows if r and r["latency"]]
    shown = [
        (item, answer, seen.files(item["id"]), played.state[i])
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
        latency=histogram(latencies, "seconds a sample"),
        faults=faults[:LISTED_FAULTS],
        more_faults=faults[LISTED_FAULTS:],
        reproduce=command(entry, site.shared["cards"]["model"]),
        versions=versions(entry),
        shown=shown,
        words=WORDS,
        counts={k: played.state.count(k) for k in WORDS},
        target=target,
        inside=read.parts if read else [],
        judge=list(judge_lines(told)) if (told := (entry.row["task_facts"] or {}).get("judge")) else [],
    )


def _by_name(metrics: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for m in metrics:
        out.setdefault(m["name"], {})[m["group"]] = m
    return out

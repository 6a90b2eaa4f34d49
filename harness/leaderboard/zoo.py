"""The zoo on one board: its models ranked over seeds and sequences, their score against what they cost, their curves.

Each model is one line, however often it was trained; its seeds are its repetitions. No other model shares the ranking.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from harness.leaderboard import curves
from harness.leaderboard.answers import BoardRun, Items
from harness.leaderboard.board import Board, BoardEntry
from harness.leaderboard.figures.dots import Dot
from harness.leaderboard.figures.scatter import scatter
from harness.leaderboard.levels import Level, levels
from harness.stats.corrections import holm
from harness.stats.intervals import Estimate
from harness.stats.seeds import over_seeds, seeds_difference

ALPHA = 0.05
SPEEDS = Path("zoo") / "speed.json"
"""What benchmarks/zoo.py measured, below a results folder."""
LEAST = 2
"""Models that make a figure."""

Speeds = Mapping[tuple[str, str], Mapping[str, float]]
"""(model, course) -> `prefill`, `decode` in tokens a CPU second; without `decode` where there is no recurrent form."""


@dataclass(frozen=True)
class ZooModel:
    """One model of the zoo with all its seeds."""

    name: str
    entries: Mapping[int, BoardEntry]
    """Seed -> its newest run without a method."""
    facts: Sequence[Mapping[str, Any]]
    """What its runs' records tell about the training, one a seed."""
    value: Estimate
    slices: Mapping[str, Estimate]
    state: float | None
    """Bytes of state after the longest sequences of the board."""
    speed: Mapping[str, float]
    rank: tuple[int, int] = (0, 0)

    @property
    def seconds(self) -> float | None:
        """CPU seconds of one training."""
        found = [float(f["cpu_seconds"]) for f in self.facts if f.get("cpu_seconds")]
        return fmean(found) if found else None

    @property
    def parameters(self) -> int | None:
        return next((f["parameters"] for f in self.facts if f.get("parameters")), None)

    @property
    def points(self) -> list[Sequence[curves.Point]]:
        return [f["curve"] for f in self.facts if f.get("curve")]


@dataclass(frozen=True)
class ZooBoard:
    """What the page shows of one board."""

    board: Board
    models: list[ZooModel]
    """By rank, the best value first."""
    slices: list[str]
    levels: list[Level]
    plots: list[tuple[str, str]] = field(default_factory=list)
    """(title, figure) of score against state, speeds and training."""
    curves: list[tuple[str, str]] = field(default_factory=list)
    """(slice, figure): all slices together first."""


def of_zoo(entry: BoardEntry) -> bool:
    """Whether a run is of a model that was trained here, by what it recorded of itself."""
    facts = entry.row["model_facts"] or {}
    return "mixer" in facts and isinstance(facts.get("courses"), Mapping)


def speeds(*folders: Path) -> Speeds:
    """What was measured, from the first results folder that has it."""
    for folder in folders:
        if (folder / SPEEDS).is_file():
            rows = json.loads((folder / SPEEDS).read_text(encoding="utf-8"))["rows"]
            return {(r["model"], r["course"]): {k: float(r[k]) for k in ("prefill", "decode") if r[k]} for r in rows}
    return {}


def summary(board: Board, items: Items, runs: Mapping[str, BoardRun], measured: Speeds) -> ZooBoard | None:
    """None where no run of the board is of the zoo."""
    found = _trained(board)
    values = {name: {seed: runs[e.run].values for seed, e in of.items()} for name, of in found.items()}
    if not found or any(v.ndim != 1 for of in values.values() for v in of.values()):
        return None
    kept = np.all([np.isfinite(v) for of in values.values() for v in of.values()], axis=0)
    if not kept.any():
        return None
    values = {name: {seed: v[kept] for seed, v in of.items()} for name, of in values.items()}
    clusters, groups = items.clusters[kept], items.group[kept]
    every = [v for of in values.values() for v in of.values()]
    bounds = (0.0, 1.0) if all(v.min() >= 0 and v.max() <= 1 for v in every) else _FREE
    names = [g for i, g in enumerate(items.groups) if (groups == i).any()]
    models = []
    for name, of in found.items():
        table = np.stack(list(values[name].values()))
        slices = {
            g: over_seeds(table[:, at], clusters[at], bounds)
            for g in names
            if (at := np.flatnonzero(groups == items.groups.index(g))).size
        }
        facts = [course for e in of.values() if (course := _course(e))]
        first = next(iter(of.values()))
        speed = measured.get((name, _course_name(first)), {})
        state = _state(facts, int((first.row["task_facts"] or {}).get("positions") or 0))
        models.append(ZooModel(name, of, facts, over_seeds(table, clusters, bounds), slices, state, speed))
    placed = ranks(values, clusters, board.higher)
    models = [replace(m, rank=placed[m.name]) for m in models]
    models.sort(key=lambda m: (-m.value.value if board.higher else m.value.value, m.name))
    lines = levels(board, board.metric, board.group, "", [])
    made = ZooBoard(board, models, names if len(names) > 1 else [], lines)
    return replace(made, plots=_plots(made), curves=_curves(made, bounds))


_FREE = (-float("inf"), float("inf"))


def _trained(board: Board) -> dict[str, dict[int, BoardEntry]]:
    """Model -> seed -> its newest run without a method."""
    found: dict[str, dict[int, BoardEntry]] = {}
    for entry in board.ranked:
        if of_zoo(entry) and entry.method == "vanilla":
            seed = int((_course(entry) or {}).get("seed") or 0)
            found.setdefault(str(entry.row["model_facts"]["mixer"]), {})[seed] = entry
    return {name: dict(sorted(of.items())) for name, of in sorted(found.items())}


def _course_name(entry: BoardEntry) -> str:
    return str((entry.row["task_facts"] or {}).get("course") or entry.data)


def _course(entry: BoardEntry) -> Mapping[str, Any] | None:
    """What the run recorded of the model's training on the course that its task asks about."""
    return (entry.row["model_facts"]["courses"] or {}).get(_course_name(entry))


def _state(facts: Sequence[Mapping[str, Any]], longest: int) -> float | None:
    """At the stored length that holds the longest sequence; of the longest one stored where none does."""
    known = {int(k): float(v) for f in facts for k, v in (f.get("state_bytes") or {}).items()}
    return known[min((k for k in known if k >= longest), default=max(known))] if known else None


def ranks(
    values: Mapping[str, Mapping[int, np.ndarray]], clusters: np.ndarray, higher: bool
) -> dict[str, tuple[int, int]]:
    """Each model's range of ranks: 1 + those surely better, to all minus those surely worse (Holm over all pairs)."""
    pairs = {(a, b): seeds_difference(values[a], values[b], clusters) for a, b in itertools.combinations(values, 2)}
    known = {key: d for key, d in pairs.items() if d.p is not None}
    above, below = dict.fromkeys(values, 0), dict.fromkeys(values, 0)
    for ((a, b), d), p in zip(known.items(), holm([d.p or 0.0 for d in known.values()]), strict=True):
        if p < ALPHA and d.value:
            better, worse = (b, a) if (d.value > 0) == higher else (a, b)
            above[worse] += 1
            below[better] += 1
    return {name: (1 + above[name], len(values) - below[name]) for name in values}


def _plots(made: ZooBoard) -> list[tuple[str, str]]:
    """Those for which two models have a number."""
    board, lines = made.board, [(line.kind, line.value) for line in made.levels]
    of = made.models
    wanted = [
        ("Score against state", "bytes of state", False, [m.state for m in of]),
        ("Score against speed of reading", "tokens a second in prefill", True, [m.speed.get("prefill") for m in of]),
        ("Score against speed of writing", "tokens a second in decoding", True, [m.speed.get("decode") for m in of]),
        ("Score against training", "CPU seconds of one training", False, [m.seconds for m in of]),
    ]
    out = []
    for title, x_name, more, xs in wanted:
        dots = [
            Dot(float(x), m.value.value, m.name, m.value.low, m.value.high)
            for m, x in zip(made.models, xs, strict=True)
            if x
        ]
        if len(dots) >= LEAST:
            out.append((title, scatter(dots, x_name, board.metric, board.higher, lines, log=True, more=more)))
    return out


def _curves(made: ZooBoard, bounds: tuple[float, float]) -> list[tuple[str, str]]:
    """All slices of the stored curves together, then each."""
    names = list(dict.fromkeys(p for m in made.models for p in curves.parts(m.points)))
    out = []
    for part in [None, *names] if len(names) > 1 else [None]:
        found = [c for m in made.models if (c := curves.curve(m.name, m.points, part))]
        if found:
            y_name = part or (names[0] if len(names) == 1 else "mean over slices")
            out.append((part or "", curves.drawn(found, y_name, (), bounds if bounds != _FREE else None)))
    return out

"""Scores and speed over commits: one series per setting, and where its level changed."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.comparison import by_hand
from harness.comparison.pairing import Pairs
from harness.core.errors import UsageError, nearest, not_json
from harness.core.score import Score, judged
from harness.core.types import Metric, Outcome, Result
from harness.runs.files import write_json
from harness.stats.change_points import Step, floored, noise, steps
from harness.stats.speed import ALPHA, MIN_REPEATS, change
from harness.store import Store

QUALITY = ("data", "model", "method", "task_version", "decoding", "seed", "limit", "apart", "metric")
SPEED = (*QUALITY, "cpu", "gpu")
STATES = ("open", "accepted", "fixed", "noise")


@dataclass(frozen=True)
class Point:
    """One run of a series. `error`: its standard error against its predecessor."""

    run: str
    commit: str
    moment: datetime
    value: float
    error: float


@dataclass(frozen=True)
class LevelChange:
    """A step between two commits. `state`: open, or what `harness history --mark` made of it."""

    id: str
    last_good: Point
    first_bad: Point
    step: Step
    better: bool | None
    flipped: list[str]
    state: str = "open"
    reason: str = ""


@dataclass(frozen=True)
class Series:
    """Points of equal settings, oldest first. `kind` is the metric's name, or "seconds"."""

    kind: str
    settings: dict[str, Any]
    points: list[Point]
    changes: list[LevelChange] = field(default_factory=list)

    @property
    def name(self) -> str:
        s = self.settings
        return " ".join(filter(None, [*(str(s[k]) for k in ("data", "method", "model")), s["apart"], self.kind]))


def history(results: Path, task: str, *, delta: float = 0.01, marks: Mapping[str, Any] | None = None) -> list[Series]:
    """All series of a task with their steps of at least `delta` (scores) or 10 % (seconds)."""
    with Store(results) as store:
        rows = [r | {"apart": ", ".join(filter(None, [r["apart"], *_by_hand(r)]))} for r in store.history(task)]
        found = []
        for settings, members in _grouped(rows, QUALITY).items():
            found.append(_quality(store, dict(zip(QUALITY, settings, strict=True)), members, delta, marks or {}))
        for settings, members in _grouped([r for r in rows if r["seconds"]], SPEED).items():
            found.append(_speed(dict(zip(SPEED, settings, strict=True)), members, marks or {}))
    return found


def _by_hand(row: Mapping[str, Any]) -> list[str]:
    """What was set by hand: runs with other settings say nothing about each other's code."""
    config, name = row["config"] or {}, f"method.{row['method']}."
    words = sorted(word.removeprefix(name) for word in by_hand.words(config))
    if by_hand.replayed(config) and not config["model"].get("of"):  # whose answers they are, only their file tells
        words.insert(0, f"answers of {Path(str(config['model'].get('path'))).name}")
    return words


def _grouped(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    return groups


def _quality(
    store: Store, settings: dict[str, Any], rows: list[dict[str, Any]], delta: float, marks: Mapping[str, Any]
) -> Series:
    """sigma_t: paired standard error against the predecessor / sqrt 2, at least one item's weight."""
    errors: list[float | None] = [None]
    for before, after in itertools.pairwise(rows):
        pairs, score = _paired(store, before["run"], after)
        stderr = pairs.difference(score).stderr if pairs.names else None
        errors.append(stderr / math.sqrt(2) if stderr is not None else after["stderr"])
    floor = 1 / max(1, min(r["n"] or 1 for r in rows))
    sigma = floored(errors, floor)
    points = [
        Point(r["run"], r["commit"] or "", r["moment"], r["value"], float(s)) for r, s in zip(rows, sigma, strict=True)
    ]
    up = rows[-1]["higher_is_better"]
    changes = []
    for step in steps([p.value for p in points], sigma, delta):
        better = None if up is None else (step.size > 0) == up
        pairs, score = _paired(store, points[step.at - 1].run, rows[step.at])
        way = score.sign if step.size > 0 else -score.sign
        moved = [a.id for a, _ in pairs.flips(score, way)[:10]] if pairs.names else []
        changes.append(_change(settings, settings["metric"], points, step, better, moved, marks))
    return Series(str(settings["metric"]), settings, points, changes)


def _paired(store: Store, before: str, after: Mapping[str, Any]) -> tuple[Pairs, Score]:
    """The samples of two runs, and the score that they are judged by."""
    rows = store.paired(before, after["run"])
    left, right = (
        [Result(r["id"], r["cluster"], "all", None, Outcome("", r[side])) for r in rows] for side in ("a", "b")
    )
    pairs = Pairs(left, right, 0)
    primary = Metric(
        after["metric"],
        after["value"],
        primary=True,
        higher_is_better=after["higher_is_better"],
        score=after["score"] or "",
    )
    return pairs, judged((), [primary], pairs.names)


def _speed(settings: dict[str, Any], rows: list[dict[str, Any]], marks: Mapping[str, Any]) -> Series:
    """Logarithms of the seconds, with one robust standard deviation for the series; steps between repeated timings."""
    logs = np.log([r["seconds"] for r in rows])
    spread = noise(logs)
    sigma = floored([spread] * len(rows), 0.02)
    points = [
        Point(r["run"], r["commit"] or "", r["moment"], r["seconds"], float(r["seconds"] * s))
        for r, s in zip(rows, sigma, strict=True)
    ]
    found = steps(logs, sigma, math.log(1.1))
    bounds = [0, *(step.at for step in found), len(points)]
    changes = [
        _change(settings, "seconds", points, step, step.size < 0, [], marks)
        for step, first, last in zip(found, bounds, bounds[2:], strict=False)
        if _repeated([p.value for p in points[first : step.at]], [p.value for p in points[step.at : last]])
    ]
    return Series("seconds", settings, points, changes)


def _repeated(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether a step of the speed rests on repeated timings, as the gate wants them: one slow run proves nothing."""
    return min(len(before), len(after)) >= MIN_REPEATS and change(before, after).p < ALPHA


def _change(
    settings: Mapping[str, Any],
    kind: str,
    points: Sequence[Point],
    step: Step,
    better: bool | None,
    flipped: list[str],
    marks: Mapping[str, Any],
) -> LevelChange:
    first = points[step.at]
    text = json.dumps([kind, settings, first.commit or first.run], sort_keys=True, default=str)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    mark = marks.get(key) or {}
    return LevelChange(
        key,
        points[step.at - 1],
        first,
        step,
        better,
        flipped,
        str(mark.get("state", "open")),
        str(mark.get("reason", "")),
    )


def read_marks(path: Path) -> dict[str, Any]:
    """What people noted about steps, by their id. Raises UsageError where the file holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (ValueError, RecursionError) as e:
        raise UsageError(f"{path} is not valid JSON ({not_json(e)}): restore it, or name another by --marks") from e
    if not isinstance(found, dict) or not all(isinstance(note, dict) for note in found.values()):
        raise UsageError(f"{path} holds no notes about steps: restore it, or name another by --marks")
    return found


def mark(path: Path, key: str, state: str, reason: str) -> None:
    """Raises UsageError for an unknown state or an empty reason."""
    if state not in STATES:
        raise UsageError(f"unknown state: {state}: {nearest(state, STATES)}")
    if not reason:
        raise UsageError("--mark needs --reason TEXT: it is kept with the step")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**read_marks(path), key: {"state": state, "reason": reason}})

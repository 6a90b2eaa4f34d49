"""What a method's page says beside its results: settings with their sources, what it runs with, where it gained."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.leaderboard.board import BoardEntry
from harness.leaderboard.figures.axes import scale
from harness.leaderboard.figures.bars import axis, bar
from harness.leaderboard.lines import MethodRow
from harness.plugins.cards import remarks
from harness.plugins.plugin import Plugin

SHARED = {
    "plain": "Questions about one picture share the picture's pass, which the method leaves plain.",
    "with": "Questions about one picture share the picture's pass, made under the method.",
    "none": "Questions about one picture share nothing: each is encoded whole.",
}
LEAST_SPAN = 0.01


@dataclass(frozen=True)
class Setting:
    """`meaning`: what its YAML says behind the default; `tuned`: the grid that `harness tune` tries, if it has one."""

    name: str
    default: Any
    meaning: str
    tuned: Sequence[Any]


@dataclass(frozen=True)
class Gain:
    """One result beside vanilla's. `bar` draws the difference, to the right where the method is better."""

    of: MethodRow
    bar: str


@dataclass(frozen=True)
class Gains:
    axis: str
    rows: list[Gain]


def settings(plugin: Plugin) -> list[Setting]:
    """In the order of its YAML."""
    said, grid = remarks(plugin.path), plugin.raw.get("tune") or {}
    return [Setting(name, value, said.get(name, ""), grid.get(name, ())) for name, value in plugin.defaults.items()]


def composition(plugin: Plugin) -> list[str]:
    """Sentences on what it runs with, read from its class. Empty where that cannot be had."""
    if plugin.kind == "pipeline":
        local = getattr(_made(plugin), "captures", False)
        return [
            "It reads attention, which local models alone show." if local else "It runs with local models and servers.",
            "It composes with steering methods, which act in each of its calls, and with other pipelines.",
        ]
    method = _made(plugin)
    if not hasattr(method, "has"):
        return []
    if method.has("decode"):
        return ["It decodes by itself, and runs beside no other method."]
    said = ["It composes with pipelines and with other steering methods, which act in the order they are named."]
    if method.conflicts:
        said.append(f"Refused beside {', '.join(sorted(method.conflicts))}.")
    if method.contrasts:
        said.append("It runs a second stream beside each sample, so not in beam search.")
    elif not method.beams:
        said.append("Not in beam search.")
    if not method.batch:
        said.append("Samples are played one by one.")
    if not method.sampling:
        said.append("Not with sampling.")
    if method.needs_artefact:
        said.append("It is calibrated once for each model (harness calibrate).")
    return [*said, SHARED[method.prefix]]


def _made(plugin: Plugin) -> Any:
    """The method with its defaults, or one that never was begun where something from outside is missing. A
    site runs no code of others: None for their methods."""
    if not plugin.target.startswith("harness.methods."):
        return None
    try:
        return plugin.build()
    except Exception:
        pass
    try:
        module, _, name = plugin.target.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        made = cls.__new__(cls)
        vars(made).update(plugin.defaults)
        return made
    except Exception:
        return None


def together(name: str, found: Sequence[BoardEntry]) -> list[str]:
    """The compositions that runs were played with, of which it is a part."""
    return sorted({e.method for e in found if "+" in e.method and name in e.method.split("+")})


def gains(rows: Sequence[MethodRow]) -> Gains | None:
    """The results that have a vanilla run beside them, on one scale; None where there are none."""
    told = [
        (r, r.row.pair, 1 if r.board.higher else -1)
        for r in rows
        if r.row.pair and r.row.pair.value == r.row.pair.value
    ]
    if not told:
        return None
    ends = [abs(v) for _, pair, _ in told for v in (pair.value, pair.low, pair.high) if v is not None and v == v]
    marks = scale([-(most := max([*ends, LEAST_SPAN])), most])
    span = marks[0], marks[-1]
    made = []
    for row, pair, sign in told:
        low, high = pair.low, pair.high
        if low is not None and high is not None:
            low, high = sorted((low * sign, high * sign))
        made.append(Gain(row, bar(pair.value * sign, low, high, span, [("zero", 0.0)])))
    return Gains(axis(marks), made)


def presets(plugin: Plugin) -> list[Mapping[str, Any]]:
    """For whom, the values, and where they come from."""
    return [
        {
            "model": entry.get("model", "any"),
            "task": entry.get("task", "any"),
            "values": ", ".join(f"{k}={v}" for k, v in entry["values"].items()),
            "source": entry.get("source", ""),
        }
        for entry in plugin.presets
    ]

"""What probes read of a board's runs: figures for a run's page, maps for samples' pages, and rows to compare."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from harness.comparison.inside import Summary, summaries
from harness.core.readings import Reading
from harness.leaderboard import fields
from harness.leaderboard.answers import Items
from harness.leaderboard.board import BoardEntry
from harness.plugins.plugin import Plugin
from harness.runs.columns import STEP, Column, columns

LEVELS = 65_535


@dataclass(frozen=True)
class Curves:
    """Those over one axis, each with its figure. `over`: what it counts, from `first` on."""

    title: str
    over: str
    first: int
    drawn: list[tuple[Summary, Markup]]

    @property
    def places(self) -> range:
        return range(max(len(s.mean) for s, _ in self.drawn))


OVER = {("layer",): ("Over layers", "layer", 0), STEP: ("Over the answer's tokens", "token", 1)}


@dataclass(frozen=True)
class Part:
    """One probe of one run, as its page shows it."""

    probe: str
    title: str
    numbers: list[Summary]
    curves: list[Curves]
    heads: list[tuple[Summary, Markup]]


@dataclass
class Inside:
    """What was read in one run."""

    entry: BoardEntry
    acting: str
    """Its methods without the probes, joined as runs name them; vanilla for none."""
    parts: list[Part]
    maps: dict[int, list[dict[str, Any]]]
    """Position of an item -> its maps, as the page of the sample loads them."""
    values: dict[str, Column] = field(repr=False)
    """Numbers and curves over layers, by name, for comparisons; samples are numbered as items are."""

    @property
    def probes(self) -> list[str]:
        return [p.probe for p in self.parts]


def acting(method: str, cards: Mapping[str, Plugin]) -> str:
    """The method without its probes; vanilla where nothing is left."""
    kept = [name for name in method.split("+") if not (name in cards and cards[name].kind == "probe")]
    return "+".join(kept) or "vanilla"


def inside(entry: BoardEntry, folder: Path, items: Items, cards: Mapping[str, Plugin]) -> Inside | None:
    """None where the run has no readings. `folder`: its directory; `cards`: the known methods."""
    maps: dict[int, list[dict[str, Any]]] = {}

    def keep(n: int, name: str, map_: Reading) -> None:
        if np.isfinite(map_.values).any():
            maps.setdefault(n, []).append(_drawn(name, map_))

    found = columns(folder, items.position, keep)
    if not found and not maps:
        return None
    parts = []
    summed = summaries(found, items.clusters)
    for probe in dict.fromkeys(s.probe for s in summed):
        own = [s for s in summed if s.probe == probe]
        curves = [c for axes, words in OVER.items() if (c := _curves([s for s in own if s.axes == axes], *words)).drawn]
        heads = [(s, fields.heads(s.mean, s.title, s.n)) for s in own if s.axes == ("layer", "head")]
        title = cards[probe].title if probe in cards else probe
        parts.append(Part(probe, title, [s for s in own if s.axes in ((), ("unit",))], curves, heads))
    values = {c.name: c for c in found if c.whole and c.axes in ((), ("layer",))}
    maps = {n: sorted(made, key=lambda m: m["name"]) for n, made in maps.items()}
    return Inside(entry, acting(entry.method, cards), parts, maps, values)


def _curves(own: Sequence[Summary], title: str, over: str, first: int) -> Curves:
    """Answers of one token have no curve over tokens."""
    drawn = [(s, fields.curve(s.mean, s.low, s.high, s.title, over=over, first=first)) for s in own]
    return Curves(title, over, first, [(s, figure) for s, figure in drawn if len(s.mean) > first])


def _drawn(name: str, reading: Reading) -> dict[str, Any]:
    """A map as the page of its sample loads it: numbers in steps from zero to `most`, two bytes each."""
    values = np.clip(np.nan_to_num(reading.values), 0, None)
    values = values if values.ndim == 3 else values[None]
    most = float(values.max()) or 1.0
    steps = np.round(values / most * LEVELS).astype("<u2")
    data = base64.b64encode(steps.tobytes()).decode()
    box = [round(v, 5) for v in reading.box or (0, 0, 1, 1)]
    known = {"name": name, "layered": len(reading.axes) == 3, "shape": list(values.shape), "box": box}
    return {**known, "most": float(f"{most:.5g}"), "data": data}

"""harness show RUN --probe NAME: what a probe read, as a table, curves and heat maps of 80 columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from harness.commands.words import say
from harness.comparison.inside import CURVES, Summary, summaries
from harness.core.errors import Missing, UsageError, nearest
from harness.runs.columns import STEP

BARS = "▁▂▃▄▅▆▇█"
SHADES = "⠀⡀⡄⡆⡇⣇⣧⣷⣿"
"""Braille cells of none to eight dots: one cell is a head of a layer."""
WIDTH = 80
NAME, SPAN = 24, 30
"""Columns of a reading's name, and of the words after a curve."""
ROWS = 40
"""Most rows of a heat map: neighbouring layers of a deeper model are averaged."""


def show(run: Any, probe: str, *, as_json: bool = False) -> None:
    """Raises UsageError where the run has no such readings, Missing where it has no samples."""
    results = run.results()
    if not results:
        raise Missing(f"{run.name} has no samples in its journal: run its command again")
    columns = run.columns({str(r.id): n for n, r in enumerate(results)})
    names = sorted({c.probe for c in columns})
    if not names:
        raise UsageError(f"{run.name} has no readings: play it with a probe, as in method=[vista,{probe}]")
    if probe not in names:
        raise UsageError(f"{run.name} has no readings of {probe}: {nearest(probe, names)}")
    found = summaries(columns, np.array([str(r.cluster) for r in results], object), probe)
    if as_json:
        print(json.dumps({s.name: _plain(s) for s in found}, indent=1))
        return
    say(f"{probe} in {run.name}: {max(s.n for s in found)} samples")
    for text in lines(found):
        say(text)


def lines(found: Sequence[Summary]) -> Iterator[str]:
    """Numbers with their intervals, then curves over layers, then heads of layers."""
    numbers = [s for s in found if not s.axes]
    if numbers:
        yield f"  {'reading':<{NAME}} {'mean':>10}  {'95 % interval':<24} {'samples':>7}"
    for s in numbers:
        yield f"  {s.title[:NAME]:<{NAME}} {_short(s.mean):>10}  {_interval(s):<24} {s.n:>7}"
    for s in (s for s in found if s.axes == ("unit",)):
        yield f"  {s.title[:NAME]:<{NAME}} {s.units}"
    for axes in CURVES:
        drawn = [s for s in found if s.axes == axes and len(s.mean) > (axes == STEP)]
        if drawn:
            long = max(len(s.mean) for s in drawn)
            over = f"layers 0 to {long - 1}" if axes != STEP else f"tokens 1 to {long} of kept samples"
            yield ""
            yield f"  over {over}, from the least to the greatest mean"
        for s in drawn:
            yield from curve(s)
    for s in found:
        if s.axes == ("layer", "head"):
            yield ""
            yield from heat(s)


def curve(s: Summary) -> Iterator[str]:
    """One line of bars over layers or tokens, and where it is highest."""
    room = WIDTH - NAME - SPAN - 4
    bars = _marks(_fewer(s.mean, room), BARS)
    if np.isfinite(s.mean).any():
        top = int(np.nanargmax(s.mean)) + (s.axes == STEP)
        span = f"{_short(np.nanmin(s.mean))} to {_short(np.nanmax(s.mean))}, top {top}"
        yield f"  {s.title[:NAME]:<{NAME}} {bars} {span}"
    else:
        yield f"  {s.title[:NAME]:<{NAME}} undefined everywhere"


def heat(s: Summary) -> Iterator[str]:
    """A braille cell a head, layers from the top down, and the heads with the most."""
    values = s.mean
    if not np.isfinite(values).any():
        yield f"  {s.title}: undefined in all heads"
        return
    wide = max(1, min(4, (WIDTH - 12) // values.shape[1]))
    step = -(-values.shape[0] // ROWS)
    small = np.stack([_fewer(row, WIDTH - 12) for row in values])
    low, high = np.nanmin(values), np.nanmax(values)
    yield f"  {s.title}: {values.shape[0]} layers down, {values.shape[1]} heads across, {s.n} samples"
    for l in range(0, len(small), step):
        row = np.array([_defined_mean(column) for column in small[l : l + step].T])
        yield f"  {l:>5} {''.join(mark * wide for mark in _marks(row, SHADES, low, high))}"
    yield f"  blank {_short(low)} to {SHADES[-1]} {_short(high)}; most (layer.head): {_ends(values, -1)}"
    if low < 0:
        yield f"  least (layer.head): {_ends(values, 1)}"


def _ends(values: np.ndarray, way: int) -> str:
    """The three heads with the least (1) or the most (-1), each with its value."""
    order = np.argsort(np.where(np.isfinite(values), way * values, np.inf), axis=None, kind="stable")
    places = [np.unravel_index(i, values.shape) for i in order[: min(3, int(np.isfinite(values).sum()))]]
    return ", ".join(f"{l}.{h} {_short(values[l, h])}" for l, h in places)


def _marks(values: np.ndarray, ramp: str, low: float | None = None, high: float | None = None) -> str:
    low = float(np.nanmin(values)) if low is None and np.isfinite(values).any() else low or 0.0
    high = float(np.nanmax(values)) if high is None and np.isfinite(values).any() else high or 0.0
    scale = (len(ramp) - 1) / ((high - low) or 1)
    return "".join(ramp[round((v - low) * scale)] if np.isfinite(v) else "·" for v in values)


def _fewer(values: np.ndarray, most: int) -> np.ndarray:
    """Means of neighbours, at most so many."""
    if len(values) <= most:
        return values
    return np.array([_defined_mean(part) for part in np.array_split(values, most)])


def _defined_mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _short(value: Any) -> str:
    value = float(value)
    return "–" if value != value else f"{value:.3g}"


def _interval(s: Summary) -> str:
    return f"[{_short(s.low)}, {_short(s.high)}]" if s.low is not None and np.isfinite(s.low) else "too few clusters"


def _plain(s: Summary) -> dict[str, Any]:
    def numbers(x: np.ndarray | None) -> Any:
        return None if x is None else np.where(np.isfinite(x), x, None).tolist()  # type: ignore[call-overload]

    return {"axes": s.axes, "samples": s.n, "mean": numbers(s.mean), "low": numbers(s.low), "high": numbers(s.high)}

"""What probes read of a run, summed up over its samples: numbers, curves over layers with bands, arrays of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.core.readings import Reading
from harness.stats import mean

FIXED = {"layer", "head"}
"""Axes whose lengths all samples of a run share: arrays over them have a mean."""
PICTURE = {"row", "column"}
"""Axes of maps: places of two pictures are not the same."""
EVERYWHERE = (-np.inf, np.inf)


@dataclass(frozen=True)
class Summary:
    """One reading over a run's samples.

    Args:
        name: `probe.reading`.
        axes: Of the mean: those of the reading, or none where its samples differ in shape (tokens, maps).
        n: Samples that have it.
        mean: A number or an array; NaN where no sample is defined.
        low, high: The 95 % interval over clusters, of numbers and curves; NaN where none is honest. None: of arrays.
    """

    name: str
    axes: tuple[str, ...]
    n: int
    mean: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    @property
    def probe(self) -> str:
        return self.name.partition(".")[0]

    @property
    def title(self) -> str:
        """The reading's own name, in words."""
        return titled(self.name)


def titled(name: str) -> str:
    """`image` for `image_attention.image_layers`: what its axes say already is left out."""
    return name.partition(".")[2].removesuffix("_layers").removesuffix("_heads").replace("_", " ")


def summaries(
    readings: Mapping[str, Mapping[str, Reading]], clusters: Mapping[str, str], probe: str | None = None
) -> list[Summary]:
    """Every reading of a run (or of one probe) but maps of pictures, by name. `clusters`: sample -> its cluster."""
    names = sorted({n for one in readings.values() for n in one if probe in (None, n.partition(".")[0])})
    found = []
    for name in names:
        rows = [(one[name], clusters.get(sample, sample)) for sample, one in readings.items() if name in one]
        if PICTURE.isdisjoint(rows[0][0].axes):
            found.append(summary(name, [r for r, _ in rows], [c for _, c in rows]))
    return found


def summary(name: str, rows: Sequence[Reading], clusters: Sequence[str]) -> Summary:
    """One reading of several samples."""
    first = rows[0]
    same = all(r.axes == first.axes and r.values.shape == first.values.shape for r in rows)
    if not same or not set(first.axes) <= FIXED:
        axes, values = (), np.array([r.value for r in rows])
    else:
        axes, values = first.axes, np.stack([r.values for r in rows]).astype(np.float64)
    defined = np.isfinite(values)
    counts = defined.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.where(counts > 0, np.where(defined, values, 0).sum(0) / counts, np.nan)
    if "head" in axes:
        return Summary(name, axes, len(rows), middle)
    columns, ok = values.reshape(len(rows), -1), defined.reshape(len(rows), -1)
    pairs = [_interval(columns[ok[:, l], l], [c for c, d in zip(clusters, ok[:, l], strict=True) if d])
             for l in range(columns.shape[1])]  # fmt: skip
    low, high = np.array(pairs, np.float64).T.reshape(2, *middle.shape)
    return Summary(name, axes, len(rows), middle, low, high)


def _interval(values: np.ndarray, clusters: Sequence[str]) -> tuple[float, float]:
    found = mean(values, clusters, False, EVERYWHERE)
    return (np.nan, np.nan) if found.low is None or found.high is None else (found.low, found.high)

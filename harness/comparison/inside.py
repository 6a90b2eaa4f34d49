"""What probes read of a run, summed up over its samples: numbers, curves over layers with bands, arrays of heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.runs.columns import STEP, Column
from harness.stats import mean

CURVES = (("layer",), STEP)
"""Axes of what has a band."""
UNITS = 50
"""Characters of a row of numbers that have no names."""
ROWS = 10_000
"""Arrays of heads that are added up at once."""


@dataclass(frozen=True)
class Summary:
    """One reading over a run's samples.

    Args:
        name: `probe.reading`.
        axes: Of the mean: those of the reading, or none where its samples differ in shape (tokens, maps).
        n: Samples that have it.
        mean: A number or an array; NaN where no sample is defined.
        low, high: The 95 % interval over clusters, of numbers and curves; NaN where none is honest. None: of others.
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
    def units(self) -> str:
        """Of the axis `unit`: the means in a row, or how many there are where they are many."""
        text = ", ".join(f"{v:.3g}" for v in self.mean)
        return text if len(text) <= UNITS else f"{len(self.mean)} numbers"

    @property
    def title(self) -> str:
        """The reading's own name, in words."""
        return titled(self.name)


def titled(name: str) -> str:
    """`image` for `image_attention.image_layers`: what its axes say already is left out."""
    own = name.partition(".")[2]
    return own.removesuffix("_layers").removesuffix("_heads").removesuffix("_steps").replace("_", " ")


def summaries(columns: Sequence[Column], clusters: np.ndarray, probe: str | None = None) -> list[Summary]:
    """Every reading of a run (or of one probe) but maps of pictures. `clusters`: of each sample, by number."""
    return [summary(c, clusters[c.at]) for c in columns if probe in (None, c.probe)]


def summary(column: Column, clusters: np.ndarray) -> Summary:
    """One reading of several samples. `clusters`: of each row of the column."""
    values, axes, n = column.values, column.axes, len(column.at)
    if axes not in ((), *CURVES):
        total, counts = np.zeros(values.shape[1:]), np.zeros(values.shape[1:], int)
        for start in range(0, n, ROWS):
            part = np.asarray(values[start : start + ROWS], np.float64)
            defined = np.isfinite(part)
            total, counts = total + np.where(defined, part, 0).sum(0), counts + defined.sum(0)
        with np.errstate(invalid="ignore"):
            return Summary(column.name, axes, n, total / np.where(counts, counts, np.nan))
    flat = values.reshape(n, -1)
    found = [_mean(np.array(flat[:, l], np.float64), clusters, column.within) for l in range(flat.shape[1])]
    middle, low, high = np.array(found, np.float64).T.reshape(3, *values.shape[1:])
    return Summary(column.name, axes, n, middle, low, high)


def _mean(values: np.ndarray, clusters: np.ndarray, within: tuple[float, float]) -> tuple[float, float, float]:
    """With the ends of its interval; NaN for what is not defined."""
    ok = np.isfinite(values)
    found = mean(values[ok], clusters[ok], False, within)
    low, high = (float("nan") if end is None else end for end in (found.low, found.high))
    return found.value, low, high

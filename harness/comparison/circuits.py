"""The heads that carry a task (its circuit), and how many of them another task uses too (arXiv 2310.08744)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.stats.ranks import spearman

SHARE, DRAWS = 0.02, 1000
"""Of all heads that are in a circuit, as in the paper; and resamples of the prompts."""


@dataclass(frozen=True)
class Overlap:
    """Two circuits of equal size.

    Args:
        a, b: Heads (layer, head) of each, the strongest first.
        share: Of them that are in both; `low`, `high`: 95 % of resamples of both tasks' clusters. NaN where a task has
            fewer than ten.
        chance: The share of two circuits drawn at random.
        p: The chance that such two have as many in common, or more.
        correlation: Spearman's, of the effects of all heads.
    """

    a: list[tuple[int, int]]
    b: list[tuple[int, int]]
    share: float
    low: float
    high: float
    chance: float
    p: float
    correlation: float

    @property
    def both(self) -> list[tuple[int, int]]:
        return [head for head in self.a if head in self.b]


def circuit(effects: np.ndarray, share: float = SHARE) -> list[tuple[int, int]]:
    """The heads of the largest mean effect [layers, heads], of either sign, the largest first."""
    order = np.argsort(-np.abs(effects), axis=None, kind="stable")[: size(effects, share)]
    return [(int(n) // effects.shape[1], int(n) % effects.shape[1]) for n in order]


def size(effects: np.ndarray, share: float) -> int:
    """How many heads a circuit has. Raises UsageError where the share is none."""
    if not 0 < share <= 1:
        raise UsageError(f"share={share} is not a share of the heads: give a number above 0, at most 1")
    return max(1, round(share * effects.size))


def stacked(read: Mapping[str, Reading], name: str) -> np.ndarray:
    """[n, layers, heads] of one reading. Raises UsageError where it is not one of heads."""
    if {r.axes for r in read.values()} != {("layer", "head")}:
        raise UsageError(f"{name} is not a reading of heads: name one such as heads.patched or heads.paths")
    return np.stack([r.values for r in read.values()]).astype(np.float64)


def overlap(
    a: np.ndarray, b: np.ndarray, clusters: tuple[Sequence[str], Sequence[str]], share: float = SHARE
) -> Overlap:
    """Of effects [n, layers, heads] of two tasks on one model. Raises UsageError where the models differ in shape."""
    if a.shape[1:] != b.shape[1:]:
        raise UsageError("the two runs are of models with other numbers of layers and heads: use one model")
    count, rng = size(a[0], share), np.random.default_rng(0)
    one, two = a.mean(0), b.mean(0)
    mine, its = circuit(one, share), circuit(two, share)
    drawn = [np.nan]
    if min(len(set(c)) for c in clusters) >= 10:
        groups = [_grouped(x, c) for x, c in zip((a, b), clusters, strict=True)]
        drawn = [
            _common(*(circuit(_resampled(*g, rng).reshape(one.shape), share) for g in groups)) / count
            for _ in range(DRAWS)
        ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    same, total = _common(mine, its), one.size
    ways = (comb(count, k) * comb(total - count, count - k) for k in range(same, count + 1))
    p = sum(ways) / comb(total, count)
    return Overlap(
        mine, its, same / count, float(low), float(high), count / total, p, float(spearman(one.ravel(), two.ravel()))
    )


def _common(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> int:
    return len(set(a) & set(b))


def _grouped(x: np.ndarray, clusters: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each cluster [G, heads of all layers], and its rows [G]."""
    code = np.unique(np.asarray(clusters, str), return_inverse=True)[1]
    sums = np.zeros((code.max() + 1, x[0].size))
    np.add.at(sums, code, x.reshape(len(x), -1))
    return sums, np.bincount(code)


def _resampled(sums: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    weights = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows))
    return weights @ sums / (weights @ rows)

"""Sink tokens and massive activations of a prompt, as numbers: what AVSR (arXiv 2510.22603) says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from harness.core.readings import COUNT, RATE, Reading
from harness.stats.ranks import spearman

TAUS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Thresholds of the curve of counts."""
ANGLE = (-1.0, 1.0)
LARGE, TIMES = 100.0, 1000.0
"""An activation is massive above this size and so many times the median of its layer (Sun et al., arXiv 2402.17762)."""


def received(w: Tensor, rows: Tensor) -> Tensor:
    """Mean attention [b, k] that each column gets, over heads and the rows [b, t] that see it, of w [b, H, t, k]."""
    mean = w.float().mean(1) * rows[..., None]
    return mean.sum(1) / (mean > 0).sum(1).clamp(min=1)


def times_median(x: Tensor) -> Tensor:
    """The largest of each token of x [t, d], in medians of all: [t]."""
    size = x.float().abs()
    return size.amax(-1) / size.median().clamp(min=1e-12)


def jaccard(features: Sequence[np.ndarray]) -> np.ndarray:
    """Of the features [top][layers, tokens] of each token with those of the first token: shared ones over all."""
    sets = np.stack(features)  # [top, layers, tokens]
    shared = (sets[:, None] == sets[None, :, :, :1]).any(1).sum(0)
    return shared / (2 * len(sets) - shared)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's of each row of x and y [layers, tokens]; NaN where one is constant, or there are fewer than three."""
    if x.shape[1] < 3:
        return np.full(len(x), np.nan)
    return spearman(x, y)


def telling(value: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """AUROC of each row: the chance that a chosen token has the larger value; NaN where all or none are chosen."""
    out = np.full(len(value), np.nan)
    for l, (v, c) in enumerate(zip(value, chosen, strict=True)):
        if c.any() and not c.all():
            gap = v[c][:, None] - v[~c]
            out[l] = (gap > 0).mean() + (gap == 0).mean() / 2
    return out


def inner(x: np.ndarray) -> np.ndarray:
    """Layers 2 to the last but one of x [layers, ...], in half of which a sink is one."""
    return x[min(2, len(x) - 1) : max(3, len(x) - 1)]


def of_sinks(got: np.ndarray, tau: float, cosine: np.ndarray, image: np.ndarray) -> dict[str, Reading]:
    """How many tokens are sinks, of attention got [layers, tokens]; and how cosine [layers, tokens] to the first token
    goes with what the others get."""
    sink = (inner(got) > tau).mean(0) >= 0.5
    by_rank = rank_correlation(got[:, 1:], cosine[:, 1:])
    tells = telling(cosine[:, 1:], got[:, 1:] > tau)
    return {
        "count": Reading(sink.sum(), within=COUNT),
        "counts": Reading([((inner(got) > t).mean(0) >= 0.5).sum() for t in TAUS], ("unit",)),
        "image_count": Reading((sink & image).sum(), within=COUNT),
        "first_layers": Reading(got[:, 0], ("layer",), within=RATE),
        "count_layers": Reading((got > tau).sum(1), ("layer",), within=COUNT),
        "spearman": Reading(mean(inner(by_rank)), within=ANGLE),
        "spearman_layers": Reading(by_rank, ("layer",), within=ANGLE),
        "cosine_auroc": Reading(mean(inner(tells)), within=RATE),
        "cosine_auroc_layers": Reading(tells, ("layer",), within=RATE),
    }


def of_others(got: np.ndarray, tau: float, cosine: np.ndarray, features: Sequence[np.ndarray]) -> dict[str, Reading]:
    """How alike the sinks after the first token are to it."""
    others = np.flatnonzero((inner(got) > tau).mean(0)[1:] >= 0.5) + 1
    return {
        "others_cosine": Reading(mean(cosine[:, others]), within=ANGLE),
        "others_features": Reading(mean(jaccard(features)[:, others]), within=RATE),
        "feature_layers": Reading(features[0][:, 0], ("layer",), within=COUNT),
    }


def of_states(times: np.ndarray, size: np.ndarray, branches: Mapping[str, np.ndarray]) -> dict[str, Reading]:
    """Massive activations, of the largest of each token in medians of its layer and its size [layers, tokens]; of
    `branches` [layers], by name, the largest in medians."""
    exploded = (times > TIMES) & (size > LARGE)
    return {
        "massive": Reading(times.max(), within=COUNT),
        "massive_layers": Reading(times.max(1), ("layer",), within=COUNT),
        "massive_tokens_layers": Reading(exploded.sum(1), ("layer",), within=COUNT),
        "born": Reading(exploded.any(1).argmax() if exploded.any() else np.nan, within=COUNT),
        **{f"{name}_layers": Reading(x, ("layer",), within=COUNT) for name, x in branches.items()},
    }


def mean(x: np.ndarray) -> float:
    """Where it is defined; NaN where it is nowhere."""
    return float(np.nanmean(x)) if np.isfinite(x).any() else float("nan")

"""Piecewise linear regression at test time, after Local Linear Attention (arXiv 2510.01450), whose generator is not
released: this is a reconstruction.

CELLS regions around random centres, one linear map each. The examples come region by region; the query lies in a region
drawn again, so that a predictor must be local in x and not in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.tasks.in_context import local
from harness.tasks.in_context.problems import Problems

CELLS = 4
CENTRES, SPREAD, SLOPE = 3.0, 0.5, 2.0
"""Standard deviations: of a centre's coordinates, of x around it, and of a map's norm (sqrt of its mean square)."""
KERNEL = local.Kernel(constant=0.25, linear=0.5, ridge=0.03)
"""The best of a coarse grid in two dimensions, with 64 examples."""


@dataclass(frozen=True)
class Pieces(Problems):
    """`cell` [n, L] and `asked` [n]: the regions of examples and query; `centres` [n, CELLS, d]."""

    cell: np.ndarray
    asked: np.ndarray
    centres: np.ndarray


def make(n: int, length: int, rng: np.random.Generator, *, dimension: int, noise: float) -> Pieces:
    """`n` problems of `length` examples, about length / CELLS in a region."""
    centres = CENTRES * rng.standard_normal((n, CELLS, dimension))
    slopes = SLOPE * rng.standard_normal((n, CELLS, dimension)) / np.sqrt(dimension)
    levels = rng.standard_normal((n, CELLS))
    order = np.arange(length) * CELLS // length
    cell = np.concatenate([np.broadcast_to(order, (n, length)), rng.integers(CELLS, size=(n, 1))], 1)
    away = SPREAD * rng.standard_normal((n, length + 1, dimension))
    x = np.take_along_axis(centres, cell[..., None], 1) + away
    slope = np.take_along_axis(slopes, cell[..., None], 1)
    y = (slope * away).sum(-1) + np.take_along_axis(levels, cell, 1)
    y = y + np.sqrt(noise) * rng.standard_normal(y.shape)
    return Pieces(x[:, :-1], y[:, :-1], x[:, -1], y[:, -1], cell[:, :-1], cell[:, -1], centres)


def bayes(p: Pieces, noise: float) -> np.ndarray:
    """The posterior mean of who knows the regions: no predictor has less error."""
    n, length, d = p.x.shape
    own = (p.cell == p.asked[:, None]).astype(float)
    centre = np.take_along_axis(p.centres, p.asked[:, None, None], 1)
    features = np.concatenate([np.ones((n, length, 1)), p.x - centre], -1)
    prior = noise * np.array([1.0] + [d / SLOPE**2] * d)
    gram = np.einsum("nl,nld,nle->nde", own, features, features) + np.diag(prior)
    moment = np.einsum("nl,nld,nl->nd", own, features, p.y)
    found = np.linalg.solve(gram, moment[..., None])[..., 0]
    return found[:, 0] + ((p.query - centre[:, 0]) * found[:, 1:]).sum(1)


def predictors(p: Pieces, noise: float) -> Mapping[str, np.ndarray]:
    """What each predictor of known form says, [n]."""
    return {
        "zero": np.zeros(len(p.target)),
        "line": local.line(p),
        "local_constant": local.constant(p, KERNEL),
        "local_linear": local.linear(p, KERNEL),
        "bayes": bayes(p, noise),
    }

"""In-context linear regression (arXiv 2503.12734), and what predictors of known form make of it.

Data: x ~ N(0, I_d), beta ~ N(0, I/d), y = x . beta + N(0, noise). A sequence is L vectors [x; y] and a query [x; 0],
where y is asked. `noise` is a variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from harness.tasks.in_context import local
from harness.tasks.in_context.problems import Problems

PAIR = 0.005
"""Scale of the two heads' keys: near 0 their difference is a debiased gradient step."""
SCALE = 0.5
"""Of one head's keys: the best of a grid in five dimensions."""
KERNEL = local.Kernel(constant=0.8, linear=3.0, ridge=0.001)
"""The best of a coarse grid in five dimensions, with 40 examples."""
FITTED = 20000
"""Problems on which one head's output is fitted; none of them is asked or trained on."""


def make(n: int, length: int, rng: np.random.Generator, *, dimension: int, noise: float) -> Problems:
    """`n` problems of `length` examples."""
    x = rng.standard_normal((n, length + 1, dimension))
    beta = rng.standard_normal((n, dimension)) / np.sqrt(dimension)
    y = np.einsum("nld,nd->nl", x, beta) + np.sqrt(noise) * rng.standard_normal((n, length + 1))
    return Problems(x[:, :-1], y[:, :-1], x[:, -1], y[:, -1])


def ridge(p: Problems, noise: float) -> np.ndarray:
    """The posterior mean (no predictor has less error): ridge regression with lambda = noise x d."""
    d = p.x.shape[-1]
    gram = np.einsum("nld,nle->nde", p.x, p.x) + noise * d * np.eye(d)
    moment = np.einsum("nld,nl->nd", p.x, p.y)
    beta = np.linalg.solve(gram, moment[..., None])[..., 0]
    return np.einsum("nd,nd->n", beta, p.query)


def gradient_step(p: Problems, noise: float, debiased: bool = False) -> np.ndarray:
    """`eta / L sum_l (y_l - ybar) x_l . x_q` with the step that has the least error; ybar = 0 unless `debiased`.

    The step follows from the moments of Wishart matrices: eta = L / (L + d + 1 + noise d), debiased
    L / (L + d + noise d). Its error is 1 + noise - eta, debiased 1 + noise - eta (L - 1) / L.
    """
    length, d = p.x.shape[1:]
    step = length / (length + d + (0 if debiased else 1) + noise * d)
    y = p.y - p.y.mean(1, keepdims=True) if debiased else p.y
    return step / length * np.einsum("nl,nld,nd->n", y, p.x, p.query)


def head(p: Problems, scale: float) -> np.ndarray:
    """One head of softmax attention with keys and queries scale x I: `sum_l softmax(scale x_l . x_q) y_l`."""
    logits = scale * np.einsum("nld,nd->nl", p.x, p.query)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return (weights * p.y).sum(1) / weights.sum(1)


def two_heads(p: Problems, noise: float) -> np.ndarray:
    """Heads of scales +-PAIR whose outputs cancel (mu, -mu): nearly 2 PAIR mu / L sum_l (y_l - ybar) x_l . x_q."""
    length, d = p.x.shape[1:]
    mu = length / (length + d + noise * d) / (2 * PAIR)
    return mu * (head(p, PAIR) - head(p, -PAIR))


@cache
def best_output(length: int, dimension: int, noise: float) -> float:
    """What one head's output is multiplied by, for the least error: fitted on FITTED problems."""
    p = make(FITTED, length, np.random.default_rng((3, length, dimension)), dimension=dimension, noise=noise)
    y = head(p, SCALE)
    return float((y * p.target).sum() / (y * y).sum())


def predictors(p: Problems, noise: float) -> Mapping[str, np.ndarray]:
    """What each predictor of known form says, [n]: from the one that knows nothing to the best there is."""
    return {
        "zero": np.zeros(len(p.target)),
        "one_head": best_output(*p.x.shape[1:], noise) * head(p, SCALE),
        "two_heads": two_heads(p, noise),
        "debiased_gd": gradient_step(p, noise, debiased=True),
        "gd": gradient_step(p, noise),
        "local_constant": local.constant(p, KERNEL),
        "local_linear": local.linear(p, KERNEL),
        "bayes": ridge(p, noise),
    }

"""Predictors that weight examples by their distance to the query: locally constant (softmax), locally linear (LLA)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.tasks.in_context.problems import Problems


@dataclass(frozen=True)
class Kernel:
    """Widths of the two predictors' kernels, and the ridge of the locally linear one over its width squared."""

    constant: float
    linear: float
    ridge: float


def fitted(p: Problems, weight: np.ndarray, ridge: float) -> np.ndarray:
    """At the query: b of the least `sum_l w_l (y_l - b - a . (x_l - query))^2 + ridge |a|^2`, weights [n, L]."""
    n, length, d = p.x.shape
    features = np.concatenate([np.ones((n, length, 1)), p.x - p.query[:, None]], -1)
    gram = np.einsum("nl,nld,nle->nde", weight, features, features) + np.diag([0.0] + [ridge] * d)
    moment = np.einsum("nl,nld,nl->nd", weight, features, p.y)
    return np.linalg.solve(gram, moment[..., None])[:, 0, 0]


def weights(p: Problems, width: float) -> np.ndarray:
    """[n, L]: softmax of minus squared distances to the query over 2 width^2."""
    logits = -((p.x - p.query[:, None]) ** 2).sum(-1) / (2 * width**2)
    found = np.exp(logits - logits.max(1, keepdims=True))
    return found / found.sum(1, keepdims=True)


def constant(p: Problems, k: Kernel) -> np.ndarray:
    """The locally constant predictor: softmax attention over distances."""
    return (weights(p, k.constant) * p.y).sum(1)


def linear(p: Problems, k: Kernel) -> np.ndarray:
    """The locally linear one: Local Linear Attention. ridge -> infinity is the locally constant one at the same width,
    width -> infinity one line through all examples."""
    return fitted(p, weights(p, k.linear), k.ridge * k.linear**2)


def line(p: Problems, ridge: float = 1.0) -> np.ndarray:
    """One line through all examples, with a small ridge."""
    return fitted(p, np.ones(p.y.shape), ridge)

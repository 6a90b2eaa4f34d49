"""Regression problems: examples and a query, each a vector x with a number y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problems:
    """`n` regression problems: x [n, L, d], y [n, L], the query [n, d] and its y [n]."""

    x: np.ndarray
    y: np.ndarray
    query: np.ndarray
    target: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """[n, L + 1, d + 1]: the sequences."""
        first = np.concatenate([self.x, self.y[..., None]], -1)
        last = np.concatenate([self.query, np.zeros((len(self.query), 1))], -1)
        return np.concatenate([first, last[:, None]], 1).astype(np.float32)

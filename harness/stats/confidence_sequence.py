"""A confidence sequence: an interval that may be looked at after every cluster (Waudby-Smith et al., arXiv 2103.06476;
bounded means in 2010.09686)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.clusters import column

FIRST_LOOK = 20
"""Clusters before which no look is allowed: the sequence is asymptotic."""


def radius(differences: ArrayLike, planned: int, alpha: float = 0.05) -> float | None:
    """Half width `r_t` of the sequence around the mean of cluster-level differences seen so far; None before 20.

    `r_t = sqrt(2 v (t rho^2 + 1) / (t^2 rho^2) log(sqrt(t rho^2 + 1) / alpha))`, with rho chosen so that the width is
    smallest at half of the `planned` clusters. Clusters must come in a random order.
    """
    x = column(differences, "differences")
    t = len(x)
    if t < FIRST_LOOK:
        return None
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / max(1.0, planned / 2)
    spread = float(np.var(x, ddof=1))
    return math.sqrt(2 * spread * (t * rho2 + 1) / (t * t * rho2) * math.log(math.sqrt(t * rho2 + 1) / alpha))


def decided(differences: ArrayLike, planned: int, delta: float, alpha: float = 0.05) -> str | None:
    """ "better", "worse" or "equal" (inside +-delta) once it is certain, None before."""
    r = radius(differences, planned, alpha)
    if r is None:
        return None
    m = float(np.mean(column(differences, "differences")))
    if m - r > 0:
        return "better"
    if m + r < 0:
        return "worse"
    return "equal" if -delta < m - r and m + r < delta else None

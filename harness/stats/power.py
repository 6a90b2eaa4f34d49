"""Sample sizes before a run: how many clusters an effect takes, and the smallest effect that so many can show.

Two runs are compared by the mean of paired differences over clusters (`harness.stats.paired`), so that all that counts
is the standard error which that difference has at a known number of clusters: it falls with the root of the number.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from harness.stats.intervals import MIN_CLUSTERS, quantile
from harness.stats.paired import least_p

MOST = 10**9
"""Clusters beyond which an effect counts as out of reach."""


@dataclass(frozen=True)
class Spread:
    """The standard error `stderr` of a paired difference over this many clusters and samples."""

    stderr: float
    clusters: int
    samples: float

    def at(self, clusters: int) -> Spread:
        """The same samples and their luck, in another number of clusters of the same size."""
        times = clusters / self.clusters
        return Spread(self.stderr / math.sqrt(times), clusters, self.samples * times)


def assumed(discordance: float, effect: float, samples: int, clusters: int, design_effect: float = 1.0) -> Spread:
    """Of scores that are 0 or 1: a share `discordance` of the samples changes, `effect` more of them one way than the
    other, so that a difference has the variance discordance - effect². Raises ValueError where that is impossible."""
    if not 0 < discordance <= 1 or abs(effect) > discordance:
        raise ValueError(f"a discordance of {discordance:g} cannot hold an effect of {effect:g}")
    variance = max(discordance - effect**2, 1e-12)
    return Spread(math.sqrt(variance * design_effect / samples), clusters, samples)


def detectable(spread: Spread, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that is found with this power by a two-sided test at `alpha`."""
    df = spread.clusters - 1
    return (quantile(1 - alpha / 2, df) + quantile(power, df)) * spread.stderr


def found(spread: Spread, effect: float, alpha: float = 0.05) -> float:
    """The power for a true difference, by t shifted by effect / SE; 0 in fewer clusters than a comparison takes."""
    from scipy.special import stdtr

    if spread.clusters < fewest(alpha):
        return 0.0
    df = spread.clusters - 1
    return float(stdtr(df, abs(effect) / spread.stderr - quantile(1 - alpha / 2, df)))


def fewest(alpha: float = 0.05) -> int:
    """The clusters below which no difference is found, however large: a comparison judges none below `MIN_CLUSTERS`,
    and its p value has to be able to reach `alpha`."""
    return next(count for count in itertools.count(MIN_CLUSTERS) if least_p(count) <= alpha)


def clusters_for(spread: Spread, effect: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """The fewest clusters, like those of `spread`, in which `effect` is detectable, at least `fewest`; None beyond a
    thousand million."""
    high = fewest(alpha)
    low = high - 1
    while detectable(spread.at(high), power, alpha) > abs(effect):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(spread.at(middle), power, alpha) <= abs(effect) else (middle, high)
    return high

"""The verdict of a regression gate: is B, oriented so that more is better, worse than A by more than is tolerated?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.stats.corrections import holm
from harness.stats.intervals import MIN_CLUSTERS, quantile
from harness.stats.paired import Difference

State = Literal["identical", "regressed", "improved", "slipped", "ok", "inconclusive"]


@dataclass(frozen=True)
class Check:
    """One comparison. `difference` is B - A with more being better."""

    difference: Difference
    identical: bool
    """Every paired output is equal."""
    delta: float
    """The loss that is tolerated, in the metric's unit."""
    blocking: bool = True
    budget: tuple[int, int] | None = None
    """(items that got worse or changed, how many may). It decides alone: for smoke tests and refactorings."""


@dataclass(frozen=True)
class Verdict:
    """`low`, `high`: one-sided bounds d -/+ t SE, `low` at 1 - alpha, `high` at the level to which the correction
    brings its test. `clusters_needed`: to decide an undecided one."""

    state: State
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """p value of "B is worse", Holm-corrected over the blocking checks whose outputs differ."""
    clusters_needed: int | None = None
    power: float | None = None
    """delta / SE(d). Below 2.5 an unchanged system is `ok` less than 80 % of the time."""


def judge(checks: Sequence[Check], alpha: float = 0.05) -> list[Verdict]:
    """One verdict per check, by the first rule that holds.

    identical: all outputs equal. regressed: significantly worse (corrected) and by at least delta. improved:
    significantly better. slipped: significantly worse, by less than delta. ok: a loss of delta is excluded.
    inconclusive: none of these.
    """
    worse = [_worse(c.difference) for c in checks]
    at = [i for i, c in enumerate(checks) if _tested(c) and worse[i] is not None]
    corrected = dict(zip(at, holm([worse[i] or 0.0 for i in at]), strict=True))
    return [_verdict(c, worse[i], corrected.get(i, worse[i]), alpha) for i, c in enumerate(checks)]


def _tested(check: Check) -> bool:
    """Whether a check is decided by its p value, and so counts among the tests that are corrected for. Where no score
    differs it cannot be, whatever the answers say."""
    d = check.difference
    return check.blocking and not check.identical and check.budget is None and not (d.stderr == 0 and d.value == 0)


def _worse(d: Difference) -> float | None:
    """One-sided p of "B is not worse than A", by t with G - 1 degrees of freedom."""
    from scipy.special import stdtr

    if d.stderr is None or d.clusters < MIN_CLUSTERS:
        return None
    if d.stderr == 0:
        return 0.0 if d.value < 0 else 1.0
    return float(stdtr(d.clusters - 1, d.value / d.stderr))


def _verdict(check: Check, single: float | None, p: float | None, alpha: float) -> Verdict:
    """`single`, `p`: of "B is worse", before and after the correction."""
    d, delta = check.difference, check.delta
    if check.identical:
        return Verdict("identical", 0.0, 0.0, 1.0)
    if check.budget is not None:
        return Verdict("regressed" if check.budget[0] > check.budget[1] else "ok")
    if p is None or single is None or d.stderr is None:
        return Verdict("inconclusive")
    t = quantile(1 - alpha, d.clusters - 1)
    # The level at which the upper bound is below 0 exactly where the corrected p is below alpha.
    level = alpha * single / p if p else alpha
    low, high = d.value - t * d.stderr, d.value + quantile(1 - level, d.clusters - 1) * d.stderr
    needed, state = None, "inconclusive"
    if p < alpha:
        state = "regressed" if d.value <= -delta else "slipped"
    elif low > 0:
        state = "improved"
    elif low > -delta or (d.stderr == 0 and low >= -delta):
        state = "ok"
    elif delta > 0:
        # With t + t_{.8} standard errors in delta, an unchanged system would pass in 80 % of the cases.
        reach = (t + quantile(0.8, d.clusters - 1)) * d.stderr
        needed = int(d.clusters * (reach / delta) ** 2) + 1
    return Verdict(state, low, high, p, needed, delta / d.stderr if d.stderr else None)  # type: ignore[arg-type]

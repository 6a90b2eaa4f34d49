"""Costs against the baseline's: counts of work by their ratio, what depends on the machine by repeated timings."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.pairing import Played
from harness.gate.baseline import BaselineRun
from harness.gate.entry import Entry
from harness.gate.policy import DETERMINISTIC, Policy
from harness.stats.speed import ALPHA, MIN_REPEATS, change

Timings = Sequence[dict[str, float]]
"""Costs of repeated runs of one baseline's words (`StoredRun.cost`)."""


def costs(base: BaselineRun, new: Played, repeats: Timings, policy: Policy) -> list[Entry]:
    """One entry for each limit of the policy. Only work that is the same on every machine blocks."""
    before, now = base.cost(), new.cost()
    equal = base.record.hardware == new.record.hardware
    out = []
    for name, limit in policy.limits.items():
        if not before.get(name) or not now.get(name):
            continue
        if name in DETERMINISTIC:
            ratio = now[name] / before[name]
            message = f"{ratio:.3f} times the baseline's {before[name]:.4g}, limit {limit:g}"
            out.append(Entry(base.name, name, "over" if ratio > limit else "within", True, message))
        elif not equal:
            out.append(_advice(base, name, False, "other hardware than the baseline's: not judged"))
        else:
            out.append(_timed(base, name, limit, now[name] / before[name], repeats))
    return out


def _timed(base: BaselineRun, name: str, limit: float, single: float, repeats: Timings) -> Entry:
    left, right = ([t[name] for t in side if t.get(name)] for side in (base.timings, repeats))
    if min(len(left), len(right)) < MIN_REPEATS:
        return _advice(
            base,
            name,
            False,
            f"{single:.3f} times the baseline's in one run each: not judged ({len(left)} and {len(right)} timings, "
            f"{MIN_REPEATS} needed: harness baseline update --timings {MIN_REPEATS}, harness gate --timings "
            f"{MIN_REPEATS})",
        )
    found = change(left, right)
    beyond = found.ratio < limit if name == "tokens_per_second" else found.ratio > limit
    times = f"{found.ratio:.3f} times the baseline's median, limit {limit:g}, p {found.p:.4f}"
    return _advice(base, name, beyond and found.p < ALPHA, f"{times} ({len(left)} and {len(right)} timings)")


def _advice(base: BaselineRun, name: str, over: bool, message: str) -> Entry:
    return Entry(base.name, name, "over" if over else "within", False, message)

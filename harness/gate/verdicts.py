"""Baseline runs against their candidates: one verdict each check, and the exit code of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.comparison.pairing import LOST, NotComparable, Pairs, Played, judged, meanings, pair, share_missing
from harness.core.errors import DONE, INCOMPLETE, INCONCLUSIVE, NO, HarnessError, UsageError
from harness.core.score import Score
from harness.core.types import Result
from harness.gate.baseline import BaselineRun
from harness.gate.costs import Timings, costs
from harness.gate.entry import Entry
from harness.gate.policy import Policy, Rule
from harness.stats import Difference
from harness.stats.decision import Check, Verdict, judge

LISTED = 20
"""Flipped samples that a report lists."""


@dataclass(frozen=True)
class Report:
    """All entries under one policy."""

    entries: list[Entry]
    policy: Policy

    @property
    def exit_code(self) -> int:
        """1, then 3, then 4, then 0, over the blocking entries."""
        codes = {self.code(e) for e in self.entries if e.blocking}
        return next((c for c in (NO, INCOMPLETE, INCONCLUSIVE) if c in codes), DONE)

    def code(self, entry: Entry) -> int:
        if entry.state in ("regressed", "over", "crashed") or (entry.state == "slipped" and self.policy.strict):
            return NO
        if entry.state in ("missing", "incomparable", "incomplete"):
            return INCOMPLETE
        return INCONCLUSIVE if entry.state == "inconclusive" and self.policy.inconclusive == "fail" else DONE

    @property
    def word(self) -> str:
        return {DONE: "passed", NO: "failed", INCOMPLETE: "incomplete", INCONCLUSIVE: "inconclusive"}[self.exit_code]


def verdicts(
    baselines: Sequence[BaselineRun],
    candidates: Sequence[Played | HarnessError],
    policy: Policy,
    timings: Sequence[Timings] | None = None,
) -> Report:
    """Judge each candidate by every rule that fits, and its cost by repeated `timings`.

    An error stands for a run that could not be had: it crashed (exit code 1), or is missing. Raises Tampered for a
    damaged baseline.
    """
    entries: list[Entry] = []
    pending: list[tuple[Check, str, Rule, Score, Pairs]] = []
    for base, new, repeats in zip(baselines, candidates, timings or [[] for _ in baselines], strict=True):
        base.verify()
        rules = [r for r in policy.checks if r.fits(base.record)]
        if not rules:
            entries.append(Entry(base.name, "run", "unjudged", False, "no check of gate.yaml fits it"))
            continue
        blocking = any(r.blocking for r in rules)
        if isinstance(new, HarnessError):
            state = "crashed" if new.exit_code == NO else "missing"
            entries.append(Entry(base.name, "run", state, blocking, str(new)))
            continue
        if (stop := _unusable(base, new, blocking)) is not None:
            entries.append(stop)
            continue
        try:
            pairs = pair(base, new, same_prompts=True)
        except NotComparable as e:
            entries.append(Entry(base.name, "comparison", "incomparable", blocking, str(e)))
            continue
        entries += costs(base, new, repeats, policy)
        for rule in rules:
            score = _score(base, rule, pairs)
            part = pairs.of(rule.group)
            if not part.left or not score.within(part.names):
                has = f"scores {', '.join(sorted(pairs.names))} and groups {', '.join(pairs.groups)}, all"
                entries.append(
                    Entry(
                        base.name,
                        f"{score.name} ({rule.group})",
                        "missing",
                        rule.blocking,
                        f"this run has no such score or group: it has {has}",
                    )
                )
                continue
            if not score.sign:
                raise UsageError(
                    f"gate.yaml: unknown whether more {score.name} is better: add higher_is_better: true or false "
                    "to its check"
                )
            d = part.difference(score)
            d = d if score.sign > 0 else _mirrored(d)
            check = Check(d, part.identical, rule.delta, rule.blocking, _budget(rule, d, part))
            pending.append((check, base.name, rule, score, part))
    found = judge([p[0] for p in pending], policy.alpha)
    for (check, name, rule, score, part), verdict in zip(pending, found, strict=True):
        entries.append(_entry(check, verdict, name, rule, score, part))
    return Report(entries, policy)


def _budget(rule: Rule, d: Difference, part: Pairs) -> tuple[int, int] | None:
    if rule.changes is not None:
        return len(part.changed), rule.changes
    return None if rule.flips is None else (d.right_to_wrong or 0, rule.flips)


def _unusable(base: BaselineRun, new: Played, blocking: bool) -> Entry | None:
    lost = share_missing(new.results(), new.record.counts.samples)
    if lost > LOST:
        return Entry(
            base.name,
            "run",
            "incomplete",
            blocking,
            f"{lost:.1%} of the samples have no score (harness show {new.name})",
        )
    if new.record.sequential:
        return Entry(base.name, "run", "incomplete", blocking, f"{new.name} was stopped early: play it whole")
    return None


def _score(base: BaselineRun, rule: Rule, pairs: Pairs) -> Score:
    """What the rule looks at. Its own direction takes precedence over the run's."""
    score = judged(base, pairs.names)
    if rule.score and rule.score != score.name:
        known = meanings(base)
        named = Score(rule.score)
        score = known.get(rule.score) or replace(known.get(named.parts[0], Score("", None)), name=rule.score)
    return score if rule.higher_is_better is None else replace(score, higher_is_better=rule.higher_is_better)


def _mirrored(d: Difference) -> Difference:
    """The same difference with more being better."""
    low, high = (None if bound is None else -bound for bound in (d.high, d.low))
    return replace(d, value=-d.value, low=low, high=high)


def _entry(check: Check, verdict: Verdict, name: str, rule: Rule, score: Score, part: Pairs) -> Entry:
    d = check.difference
    flips = f"{d.right_to_wrong} samples worse, {d.wrong_to_right} better"
    bounds = "" if verdict.low is None or verdict.high is None else f" [{verdict.low:+.4f}, {verdict.high:+.4f}]"
    parts = [f"{d.value:+.4f}{bounds}, {flips}, {d.clusters} clusters"]
    if check.budget is not None:
        parts.append(
            f"{check.budget[0]} {'changed' if rule.changes is not None else 'worse'}, {check.budget[1]} allowed"
        )
    if verdict.state == "identical":
        parts = [f"all {d.n} answers equal"]
    if verdict.state == "inconclusive":
        parts.append(
            f"a loss of {rule.delta:g} is neither shown nor excluded: {verdict.clusters_needed} clusters would do"
            if verdict.clusters_needed
            else "too few clusters for a verdict: raise limit=, or give the check a budget of flips"
        )
    elif verdict.state == "ok" and verdict.power is not None and verdict.power < 2.5:
        parts.append(f"delta is only {verdict.power:.1f} standard errors: an unchanged system often fails to be ok")
    flipped: list[dict[str, Any]] = []
    if verdict.state in ("regressed", "slipped"):
        moved = part.changed if rule.changes is not None else part.flips(score, -1)
        flipped = [_flip(*f) for f in moved[:LISTED]]
    return Entry(
        name,
        f"{score.name} ({rule.group})",
        verdict.state,
        rule.blocking,
        "; ".join(parts),
        d,
        verdict,
        rule.delta,
        flipped,
    )


def _flip(a: Result, b: Result) -> dict[str, Any]:
    assert a.outcome and b.outcome
    return {"id": a.id, "group": a.group, "target": a.target, "before": a.outcome.answer, "now": b.outcome.answer}

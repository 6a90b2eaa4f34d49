"""Two runs side by side: whether they may be compared, and their samples paired by id and prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from harness.core import score as scores
from harness.core.errors import INCOMPLETE, HarnessError
from harness.core.score import Score
from harness.core.sinks import utf8
from harness.core.types import Metric, Outcome, Result
from harness.runs.record import RunRecord
from harness.stats import Difference, paired_jackknife, paired_mean, totals

LOST = 0.01
"""A run that misses a larger share of its samples is judged by no gate, accepted as no baseline, and never ranked."""


class Played(Protocol):
    """A run from a results folder or a baseline."""

    @property
    def name(self) -> str: ...
    @property
    def record(self) -> RunRecord: ...
    @property
    def metrics(self) -> list[Metric]: ...
    def results(self) -> list[Result]: ...
    def faults(self) -> list[str]: ...
    def cost(self) -> dict[str, float]: ...


class NotComparable(HarnessError):
    """The runs differ in something that makes a difference meaningless."""

    exit_code = INCOMPLETE


@dataclass(frozen=True)
class Pairs:
    """The samples that both runs have scored, in the order of the first."""

    left: list[Result]
    right: list[Result]
    left_out: int
    """Samples that only one of the runs has scored."""

    @property
    def clusters(self) -> list[str]:
        return [r.cluster for r in self.left]

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(r.group for r in self.left))

    @property
    def names(self) -> list[str]:
        """The scores that every sample has on both sides."""
        return scores.common([*self.left, *self.right])

    @property
    def identical(self) -> bool:
        """Every answer is equal, and every score that both runs know."""
        return self.left_out == 0 and not self.changed

    @property
    def changed(self) -> list[tuple[Result, Result]]:
        """Samples whose answer or scores differ. A score that a task has got since is no difference."""
        known = {*scores.occurring(self.left)} & {*scores.occurring(self.right)}
        return [
            (a, b)
            for a, b in zip(self.left, self.right, strict=True)
            if a.outcome and b.outcome and _said(a.outcome, known) != _said(b.outcome, known)
        ]

    def of(self, group: str) -> Pairs:
        """Those of one group; "all" are all of them."""
        if group == "all":
            return self
        kept = [(a, b) for a, b in zip(self.left, self.right, strict=True) if a.group == group]
        return Pairs([a for a, _ in kept], [b for _, b in kept], self.left_out)

    def values(self, score: str) -> tuple[np.ndarray, np.ndarray]:
        """The score's values on both sides [n]."""
        return tuple(np.array([r.outcome.scores[score] for r in side if r.outcome], float) for side in self.sides)  # type: ignore[return-value]

    @property
    def sides(self) -> tuple[list[Result], list[Result]]:
        return self.left, self.right

    def difference(self, score: Score) -> Difference:
        """Right minus left, of a mean or of a ratio of sums. Its flips are by the score's direction: `right_to_wrong`
        counts samples that got worse, and both are None where neither way is better."""
        above, below = score.parts
        if below:
            before, after = (
                totals(np.stack([self.values(above)[i], self.values(below)[i]], axis=1), self.clusters) for i in (0, 1)
            )
            d = paired_jackknife(before, after, lambda c: c[..., 0] / c[..., 1], n=len(self.left))
        else:
            d = paired_mean(*self.values(above), self.clusters)
        worse, better = (len(self.flips(score, way)) if score.sign else None for way in (-1, 1))
        return replace(d, right_to_wrong=worse, wrong_to_right=better)

    def level(self, score: Score) -> tuple[float, float]:
        """Both sides' mean, or ratio of sums."""
        above, below = score.parts
        parts = self.values(above)
        weights = self.values(below) if below else tuple(np.ones(len(x)) for x in parts)
        a, b = (float(x.sum() / w.sum()) if w.sum() else float("nan") for x, w in zip(parts, weights, strict=True))
        return a, b

    def flips(self, score: Score, way: int) -> list[tuple[Result, Result]]:
        """Samples that got worse (`way` -1) or better (1) from left to right; of a ratio, by what stands above."""
        a, b = self.values(score.parts[0])
        return [(self.left[i], self.right[i]) for i in np.flatnonzero(way * score.sign * (b - a) > 0)]


def meanings(run: Played) -> dict[str, Score]:
    """What the run's scores mean, by name."""
    return scores.meanings(run.record.scores, run.metrics)


def judged(run: Played, known: Sequence[str]) -> Score:
    """The score that comparisons go by, of those that the samples have."""
    return scores.judged(run.record.scores, run.metrics, known)


def differing(a: Played, b: Played) -> list[str]:
    """What forbids a comparison, one phrase each; empty if nothing does."""
    out = [
        f"{key} is {one} in one and {other} in the other"
        for key in ("task", "task_version", "data")
        if (one := getattr(a.record, key)) != (other := getattr(b.record, key))
    ]
    if not out and a.record.fingerprint != b.record.fingerprint:
        out.append("the task's records or settings differ (harness show RUN prints both)")
    return out


def undamaged(run: Played) -> None:
    """Raises NotComparable where lines of its journal are damaged."""
    if faults := run.faults():
        more = f", and {len(faults) - 1} more lines" if len(faults) > 1 else ""
        raise NotComparable(
            f"{run.name} cannot be compared: its journal's {faults[0]}{more}: the run's command (harness show "
            f"{run.name}) asks those samples again"
        )


def pair(a: Played, b: Played, *, same_prompts: bool = False) -> Pairs:
    """Raises NotComparable, naming what differs. `same_prompts`: refuse samples that asked something else."""
    if found := differing(a, b):
        raise NotComparable(f"{a.name} and {b.name} cannot be compared: {'; '.join(found)}")
    undamaged(a)
    undamaged(b)
    left = {r.id: r for r in a.results() if r.outcome}
    right = {r.id: r for r in b.results() if r.outcome}
    both = [i for i in left if i in right]
    if not both:
        raise NotComparable(f"{a.name} and {b.name} share no scored sample")
    if same_prompts and (other := [i for i in both if not _same(left[i].prompt, right[i].prompt)]):
        raise NotComparable(
            f"{a.name} and {b.name} cannot be compared: {len(other)} samples asked something else, {other[0]} first"
        )
    pairs = Pairs([left[i] for i in both], [right[i] for i in both], len(left) + len(right) - 2 * len(both))
    if not pairs.names:
        raise NotComparable(f"{a.name} and {b.name} have no score that every sample has: compare their metrics")
    return pairs


def _said(outcome: Outcome, known: Set[str]) -> tuple[str, Mapping[str, float]]:
    """Answer and known scores. A baseline's answers hold no lone surrogates."""
    return utf8(outcome.answer), {name: value for name, value in outcome.scores.items() if name in known}


def _same(one: str, two: str) -> bool:
    """A baseline keeps the beginning of the hash."""
    size = min(len(one), len(two))
    return one[:size] == two[:size]


def share_missing(results: Sequence[Result], planned: int) -> float:
    """Share of planned samples without a score, in 0..1."""
    return 1 - sum(r.outcome is not None for r in results) / max(1, planned)

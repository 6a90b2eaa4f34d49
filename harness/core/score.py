"""What a sample's number means: which way is up, and when it is right. Everything that judges samples asks here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.types import Metric, Result


@dataclass(frozen=True)
class Score:
    """One of the numbers that `Outcome.scores` holds, as its task declares it (`Task.scores`).

    Args:
        name: Its key in `Outcome.scores`, or `above/below`: the ratio of two keys' sums over the samples.
        higher_is_better: None where neither way is better (a length, a count).
        primary: Whether runs are judged by it. One score of a task is.
    """

    name: str
    higher_is_better: bool | None = True
    primary: bool = False

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is, 0 where neither is."""
        return 0 if self.higher_is_better is None else 1 if self.higher_is_better else -1

    @property
    def parts(self) -> tuple[str, str]:
        """(the key, "") or (above, below)."""
        above, _, below = self.name.partition("/")
        return above, below

    def within(self, known: Sequence[str]) -> bool:
        """Whether samples with scores of these names have it."""
        return all(part in known for part in self.parts if part)

    def right(self, scores: Mapping[str, float]) -> bool | None:
        """Whether a sample is right: its score is the best there is, 1 or more where more is better, 0 or less where
        less is. None: this score does not count the sample (see `value`), or has no direction."""
        value = self.value(scores)
        if value is None or not self.sign:
            return None
        return value >= 1 if self.sign > 0 else value <= 0

    def value(self, scores: Mapping[str, float]) -> float | None:
        """A sample's own value: of a ratio, the part above over the part below. None where it is not counted."""
        above, below = self.parts
        value, full = scores.get(above), scores.get(below) if below else 1.0
        return None if value is None or not full else value / full


def primary(metrics: Iterable[Metric]) -> Metric | None:
    """The metric that the run is told by."""
    return next((m for m in metrics if m.primary), None)


def common(results: Iterable[Result]) -> list[str]:
    """The scores that every scored sample has, in the order of the first one."""
    given = [r.outcome.scores for r in results if r.outcome]
    return [n for n in given[0] if all(n in one for one in given)] if given else []


def occurring(results: Iterable[Result]) -> list[str]:
    """The scores that some sample has, in the order in which they appear."""
    return list(dict.fromkeys(n for r in results if r.outcome for n in r.outcome.scores))


def meanings(declared: Sequence[Score], metrics: Sequence[Metric]) -> dict[str, Score]:
    """The scores of a run by name: what its record declares, and else (an older or imported run, a task that declares
    nothing) what its metrics state about the scores that they are made of, or are named as."""
    found = {s.name: s for s in declared}
    for metric in metrics:
        for name in filter(None, (metric.score, metric.name)):
            found.setdefault(name, Score(name, metric.higher_is_better))
    return found


def judged(declared: Sequence[Score], metrics: Sequence[Metric], known: Sequence[str]) -> Score:
    """The score that runs are judged by, of those whose names are `known`: the declared primary one, else the one
    behind the primary metric, else the first. It always has a direction: up by default."""
    meant = meanings(declared, metrics)
    first = primary(metrics)
    wanted = [s.name for s in meant.values() if s.primary]
    wanted += [n for n in (first.score, first.name) if n] if first else []
    for name in wanted:
        if meant[name].within(known):
            return _directed(meant[name])
    name = known[0] if known else ""
    return _directed(meant.get(name, Score(name, first.higher_is_better if first else True)))


def _directed(score: Score) -> Score:
    return replace(score, higher_is_better=score.higher_is_better is not False, primary=True)

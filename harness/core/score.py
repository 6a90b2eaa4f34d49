"""What a sample's number means: which way is up, and when it is right. Everything that judges samples asks here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.core.types import Metric, Outcome, Result

UNDEFINED = "undefined"
"""The note of a metric without a value that does not say why."""


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


def checked(outcome: Outcome) -> Outcome:
    """The outcome with plain numbers as scores, and details that JSON can hold. Raises TypeError, ValueError."""
    if not isinstance(outcome.scores, Mapping):
        raise TypeError(f"scores are {type(outcome.scores).__name__}, not a mapping from names to numbers")
    if not isinstance(outcome.details, Mapping):
        raise TypeError(f"details are {type(outcome.details).__name__}, not a mapping")
    scores = {str(name): number(name, value) for name, value in outcome.scores.items()}
    try:
        json.dumps(outcome.details, allow_nan=False)
        details = outcome.details
    except (TypeError, ValueError):
        details = plain(outcome.details)
    return replace(outcome, answer=text(outcome.answer), scores=scores, verdict=text(outcome.verdict), details=details)


def text(value: Any) -> Any:
    """An answer or a verdict as text; None stays None."""
    return value if value is None or isinstance(value, str) else json.dumps(plain(value))


def number(name: Any, value: Any) -> float:
    """A score as a plain number; numbers of NumPy and torch are converted. Raises TypeError, ValueError."""
    if type(value) not in (float, int, bool) and getattr(value, "ndim", None) == 0:
        value = value.item()
    if not isinstance(value, int | float):
        raise TypeError(f"score {name} is {value!r:.80}, not a number")
    if not math.isfinite(value):
        raise ValueError(f"score {name} is {value}, not a finite number")
    return value


def sound(metric: Metric) -> Metric:
    """The metric with plain numbers. A value that is None or not finite is undefined: NaN, without an interval, and its
    note says so. Raises TypeError where a number or a text is something else."""
    for key in ("name", "group", "note", "score"):
        if not isinstance(getattr(metric, key), str):
            raise TypeError(f"{metric.name!r:.40}: its {key} is {getattr(metric, key)!r:.80}, not a text")
    value, stderr, low, high = (_real(metric, k) for k in ("value", "stderr", "low", "high"))
    counts = {k: int(_real(metric, k) or 0) for k in ("n", "clusters")}
    if value is None:
        return replace(
            metric, value=math.nan, stderr=None, low=None, high=None, note=metric.note or UNDEFINED, **counts
        )
    return replace(metric, value=value, stderr=stderr, low=low, high=high, **counts)


def _real(metric: Metric, key: str) -> float | None:
    """A number of a metric; None where it is not finite. Raises TypeError."""
    value = getattr(metric, key)
    try:
        return None if value is None else number(key, value)
    except (ValueError, OverflowError):
        return None
    except TypeError as e:
        raise TypeError(f"{metric.name}: its {key} is {value!r:.80}, not a number") from e


def plain(value: Any) -> Any:
    """What JSON can hold of a value: sets and arrays as lists, numbers that are not finite as null, others as text."""
    if getattr(value, "ndim", None) is not None and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=repr)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)


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

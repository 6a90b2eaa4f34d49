"""Several runs against one: differences with their uncertainty, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.comparison.composites import figures
from harness.comparison.distinct import LABEL, distinct, phrases
from harness.comparison.pairing import Played, judged, meanings, pair
from harness.comparison.reading import Inside, inside
from harness.core.score import Score
from harness.core.types import Result
from harness.stats import Difference
from harness.stats.corrections import holm_of_tested

ALSO = ("model", "limit", "offset", "ids", "system", "fewshot", "seed", "decoding")
"""What may differ between runs that are compared, and is said if it does."""


@dataclass(frozen=True)
class Row:
    """One score or metric in one group: of both runs, and the paired difference."""

    score: str
    group: str
    higher_is_better: bool | None
    a: float
    b: float
    difference: Difference
    of: str = "score"
    """"score": the mean, or the ratio of the sums, of samples' scores. "metric": what the task makes of all samples
    (F1, recall), by the paired jackknife; its groups may be others ("mean")."""


@dataclass(frozen=True)
class Comparison:
    """One run `b` against the base `a`. `rows[0].score` is the score that is judged."""

    a: str
    b: str
    labels: tuple[str, str]
    paired: int
    left_out: int
    rows: list[Row]
    cost: tuple[dict[str, float], dict[str, float]]
    worse: list[tuple[Result, Result]]
    """Samples whose judged score got worse, and those whose got better."""
    better: list[tuple[Result, Result]]
    holm: float | None = None
    """p of the judged score over all groups, corrected for the number of comparisons."""
    scored_alike: bool = True
    """Whether both runs were scored by the same code."""
    also: tuple[str, ...] = ()
    """What else than the method differs, one phrase each: "limit 18 and none"."""
    without: str = ""
    """Why the task's own metrics are not among the rows."""
    inside: Inside = field(default_factory=lambda: Inside([], []))
    """What probes read in both."""

    @property
    def judged(self) -> Row:
        """The score that runs are judged by, over all groups."""
        return next(r for r in self.rows if r.score == self.rows[0].score and r.group == "all")

    def as_json(self) -> dict[str, Any]:
        plain = asdict(replace(self, worse=[], better=[]))
        return plain | {"worse": [_flip(*f) for f in self.worse], "better": [_flip(*f) for f in self.better]}


def compare(base: Played, others: Sequence[Played]) -> list[Comparison]:
    """Raises NotComparable where runs do not belong together."""
    found = [_compare(base, other) for other in others]
    corrected = holm_of_tested([c.judged.difference.p for c in found])
    return [replace(c, holm=h) for c, h in zip(found, corrected, strict=True)]


def _compare(a: Played, b: Played) -> Comparison:
    pairs = pair(a, b)
    order = list(dict.fromkeys(m.group for m in a.metrics))
    groups = sorted(pairs.groups, key=lambda g: order.index(g) if g in order else len(order))
    groups = [*groups, "all"] if len(groups) > 1 else ["all"]
    first, known = judged(a, pairs.names), meanings(a)
    others = [known.get(n, Score(n, None)) for n in pairs.names if n != first.name]
    rows = []
    for score in (first, *others):
        for group in groups:
            part = pairs.of(group)
            rows.append(Row(score.name, group, score.higher_is_better, *part.level(score), part.difference(score)))
    metrics, why = figures(a, pairs)
    rows += [Row(m.name, m.group, m.higher_is_better, m.a, m.b, m.difference, of="metric") for m in metrics]
    return Comparison(
        a.name,
        b.name,
        labels(a, b),
        len(pairs.left),
        pairs.left_out,
        rows,
        (a.cost(), b.cost()),
        pairs.flips(first, -1),
        pairs.flips(first, 1),
        scored_alike=a.record.scored_by == b.record.scored_by,
        also=tuple(_also(a, b)),
        without=why,
        inside=inside(a, b, pairs),
    )


def _also(a: Played, b: Played) -> Iterator[str]:
    for key in ALSO:
        one, two = (getattr(run.record, key) for run in (a, b))
        if one != two:
            if isinstance(one, dict) and isinstance(two, dict):
                one, two = ({k: v for k, v in x.items() if one.get(k) != two.get(k)} for x in (one, two))
            yield f"{key} {'none' if one is None else one} and {'none' if two is None else two}"
    told = distinct([a.record, b.record])
    for key in told[0]:
        if not (_labels(key, told[0]) or key in LABEL or key == "scorer" or key.split(".")[0] in (*ALSO, "method")):
            yield f"{key} {told[0][key]} and {told[1].get(key, 'none')}"


def labels(a: Played, b: Played) -> tuple[str, str]:
    """What the runs are called beside each other: by the method, and whatever else of it, of the model or of the draw
    tells them apart; else by all that does, or by their names."""
    told = distinct([a.record, b.record])
    for every in (False, True):
        kept = [{k: v for k, v in t.items() if k != "method" and (every or _labels(k, told[0]))} for t in told]
        one, two = (", ".join(filter(None, (r.record.method, p))) for r, p in zip((a, b), phrases(kept), strict=True))
        if one != two:
            return one, two
    return (a.name, b.name) if a.name != b.name else (a.record.method, b.record.method)


def _labels(key: str, told: Mapping[str, str]) -> bool:
    """Whether a label names it: settings of the model only where the models are called alike."""
    if key == "weights" or key.startswith("model."):
        return "model" not in told
    return key in ("model", "seed", "code") or key.startswith("method.")


def _flip(a: Result, b: Result) -> dict[str, Any]:
    assert a.outcome and b.outcome
    return {"id": a.id, "group": a.group, "target": a.target, "a": a.outcome.answer, "b": b.outcome.answer}

"""MMNeedle's verdicts (evaluate.py, evaluate_multi.py), their fixed forms, and the summary of finished results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import Estimate, failed, mean

SCORES = (
    Score("exact/present", primary=True),
    Score("exact"),
    Score("index"),
    Score("existence"),
    Score("first_exact"),
    Score("each_exact"),
    Score("present", higher_is_better=None),
)
Place = tuple[int, int, int]
"""Index of the image, row, column, counted from 1."""
PARSERS = ("official", "lenient")
LEAST = 5
"""Samples a place, on average, below which places are not told apart."""
INTEGER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Verdict:
    """Scores of one answer. `index`, `exact` and their first and single shares are 0 where no needle is present."""

    exact: float
    index: float
    existence: float
    first_exact: float
    each_exact: float


def truth(places: Sequence[Place] | None) -> str:
    """The official text: "1, 2, 3; 4, 1, 1", or "-1" where nothing is to be found."""
    return "; ".join(", ".join(map(str, p)) for p in places) if places else "-1"


def tidy(said: str, needles: int, parser: str) -> str:
    """What is compared. Official: no line ends, blanks or full stops around. Lenient: the integers, three by three."""
    text = said.replace("\n", "").strip().strip(".").strip()
    if parser == "official":
        return text if needles == 1 else "; ".join(p.strip() for p in text.split("; "))
    numbers = [int(n) for n in INTEGER.findall(text)]
    if not numbers or numbers[0] < 0:
        return "-1" if numbers else text
    found = [numbers[i : i + 3] for i in range(0, 3 * needles, 3)]
    return "; ".join(", ".join(map(str, f)) for f in found if f)


def judge(places: Sequence[Place] | None, needles: int, said: str, parser: str = "official") -> Verdict:
    """The official comparison of texts; spacing matters: "1,2,3" is wrong unless the parser is lenient."""
    answer = tidy(said, needles, parser)
    right = truth(places)
    none = {"-1", "; ".join(["-1"] * needles), ", ".join(["-1"] * needles), "-1" * needles}
    none.add("; ".join(["-1, -1, -1"] * needles))
    denied = answer in none if needles > 1 else answer == "-1"
    existence = float(denied == (places is None))
    if places is None:
        return Verdict(0.0, 0.0, existence, 0.0, 0.0)
    wanted, given = right.split("; "), answer.split("; ") if needles > 1 else [answer]
    heads = [w.split(", ")[0] for w in wanted], [g.split(", ")[0] for g in given]
    each = sum(w == g for w, g in zip(wanted, given, strict=False)) / len(wanted)
    return Verdict(float(answer == right), float(heads[0] == heads[1]), existence, float(wanted[0] == given[0]), each)


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`exact` (primary) and `index` over samples with a needle, `existence` over all; by setting, place and image."""
    scored = [r for r in results if r.outcome is not None]
    there = [r for r in scored if r.outcome and r.outcome.details["present"]]
    out: list[Metric] = []
    if there:
        out.append(replace(_of(there, "exact").metric("exact", primary=True), score="exact/present"))
        out.append(replace(_of(there, "index").metric("index"), score="index/present"))
    if scored:
        out.append(_of(scored, "existence").metric("existence"))
    for name, of in (("exact", there), ("index", there), ("existence", scored)):
        for setting in dict.fromkeys(r.group for r in of):
            out += [_of([r for r in of if r.group == setting], name).metric(name, setting)]
    if any(r.outcome and r.outcome.details["needles"] > 1 for r in there):
        out += [_of(there, name).metric(name) for name in ("first_exact", "each_exact")]
    single = [r for r in there if r.outcome and r.outcome.details["needles"] == 1]
    for setting in dict.fromkeys(r.group for r in single):
        out += _map([r for r in single if r.group == setting], setting)
    if scored:
        silent = [float(not r.outcome.answer.strip()) for r in scored if r.outcome]
        out.append(mean(silent, [r.cluster for r in scored]).metric("empty", higher_is_better=False))
    return [*out, failed(results)]


def _map(results: Sequence[Result], setting: str) -> list[Metric]:
    """Exact by cell of the grid, and index by image (what the official depth curve meant to show), where places have
    samples enough to say something."""
    out = []
    places = [tuple(r.outcome.details["places"][0]) for r in results if r.outcome]
    for name, label, at in (("exact", "row {} column {}", slice(1, 3)), ("index", "image {}", slice(0, 1))):
        found = sorted({p[at] for p in places})
        if len(found) > 1 and len(results) >= LEAST * len(found):
            for place in found:
                some = [r for r, p in zip(results, places, strict=True) if p[at] == place]
                out.append(_of(some, name).metric(name, f"{setting} {label.format(*place)}"))
    return out


def _of(results: Sequence[Result], name: str) -> Estimate:
    values = np.array([r.outcome.scores[name] for r in results if r.outcome])
    return mean(values, [r.cluster for r in results], bool(np.isin(values, (0.0, 1.0)).all()))

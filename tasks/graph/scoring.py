"""What an answer about a node is worth, and what perturbing the structure costs. Pure functions of results."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from harness.core import Metric, Reply, Result, Score
from harness.stats import failed, mean
from harness.tasks.graph.listing import ARMS

SCORES = (Score("accuracy", primary=True), Score("agrees"), Score("bayes", higher_is_better=None))
"""Names the group; says what the exact posterior says; whether the posterior itself names the group."""


def named(text: str, groups: Sequence[str]) -> str | None:
    """The first group that a text names."""
    found = re.search(rf"\b({'|'.join(map(re.escape, groups))})\b", text, re.IGNORECASE)
    return next(g for g in groups if g.lower() == found[1].lower()) if found else None


def likeliest(reply: Reply, groups: Sequence[str]) -> str | None:
    """The group whose continuation is most likely, None where the reply gives no likelihood of each. Raises
    Unusable."""
    found = reply.likelihoods
    return groups[max(range(len(groups)), key=lambda i: found[i].logprob)] if len(found) == len(groups) else None


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """Each score overall (primary: accuracy), by variant, by arm and by both; `drop`: what an arm costs."""
    scored = [(r, r.outcome.scores, r.outcome.details) for r in results if r.outcome]
    out: list[Metric] = []
    for score in SCORES if scored else ():
        rows = [x for x in scored if score.name in x[1]]
        if not rows:
            continue
        parts = {"all": rows}
        kinds = [list(dict.fromkeys(x[2][of] for x in rows)) for of in ("variant", "arm")]
        for of, found in zip(("variant", "arm"), kinds, strict=True):
            parts |= {v: [x for x in rows if x[2][of] == v] for v in found}
        for both in itertools.product(*kinds) if min(map(len, kinds)) > 1 else ():
            parts[" ".join(both)] = [x for x in rows if (x[2]["variant"], x[2]["arm"]) == both]
        for group, some in parts.items():
            found = mean([x[1][score.name] for x in some], [x[0].cluster for x in some])
            primary = score.primary and group == "all"
            out.append(found.metric(score.name, group, primary=primary, higher_is_better=score.higher_is_better))
    for name in ("accuracy", "bayes"):
        out += _drops(name, [(x[0].cluster, x[1], x[2]) for x in scored if name in x[1]])
    return [*out, failed(results)]


def _drops(name: str, rows: Sequence[tuple[str, Mapping[str, float], Mapping[str, str]]]) -> list[Metric]:
    """The score without perturbation less the score under it, on the same centres, by arm and by variant and arm."""
    by = {(d["variant"], cluster, d["centre"], d["arm"]): scores[name] for cluster, scores, d in rows}
    called = "drop" if name == "accuracy" else f"{name}_drop"
    out = []
    for arm in [a for a in ARMS if a != "none"]:
        pairs = [
            (variant, cluster, before - by[variant, cluster, centre, arm])
            for (variant, cluster, centre, of), before in by.items()
            if of == "none" and (variant, cluster, centre, arm) in by
        ]
        for variant in ["", *dict.fromkeys(v for v, _, _ in pairs)] if pairs else ():
            some = [(cluster, lost) for v, cluster, lost in pairs if variant in ("", v)]
            found = mean(np.array([lost for _, lost in some]), [c for c, _ in some], False, (-1.0, 1.0))
            out.append(found.metric(called, f"{variant} {arm}".strip(), higher_is_better=None))
    return out

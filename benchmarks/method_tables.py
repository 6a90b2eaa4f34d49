"""Tables of methods beside vanilla, made of kept runs; and what each is published to do beside what is seen here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cells import row, whole
from method_studies import Study

from harness.comparison.compare import ALSO
from harness.comparison.composites import Figure, figures
from harness.comparison.pairing import Pairs, judged, meanings, pair
from harness.core.errors import UsageError
from harness.core.score import Score
from harness.interop.bundle import BundledRun
from harness.stats import Difference, paired_mean
from harness.stats.corrections import holm_of_tested

CHAIR_I = "hallucinated/mentioned"
LEAST = 0.01
"""A claimed effect below one point counts as none."""
ALPHA = 0.05
FIELD = "window"
"""The method that all others of equal budget are compared with."""


@dataclass(frozen=True)
class Claim:
    """`way`: 1 raises the score, -1 lowers it, 0 keeps it, None moves it either way."""

    method: str
    task: str
    score: str
    way: int | None
    words: str


CLAIMS = (
    Claim("vcd", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("vcd", "pope", "yes", None, "shifts POPE's yes ratio"),
    Claim("pai", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("pai", "chair", "recall", -1, "costs recall of captions"),
    Claim("vista", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("vista", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("var", "pope", "correct", 0, "acts only where image tokens are sinks: none are, nothing changes"),
    Claim("paint", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("flowcut", "pope", "correct", 0, "keeps accuracy with a third of the visual tokens (here: half)"),
    Claim("iri", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("iri", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("vhr", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("gift", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("gift", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("icd", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("sid", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("sid", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("inter", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("truthprint", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("carve", "pope", "correct", 1, "raises POPE's accuracy"),
    Claim("opera", "chair", CHAIR_I, -1, "lowers CHAIR_i"),
    Claim("act", "pope", "correct", 1, "raises accuracy (of text tasks)"),
    *(
        Claim(method, "chair", "recall", 0, "answers as with the whole cache (here: recall, with a fifth)")
        for method in ("h2o", "snapkv", "delta", "gui_kv")
    ),
)


HOLDS = {"found": "holds", "not found": "does not hold", "undecided": "undecided"}
"""Verdicts in the words of pages of claims about models."""
DECIDED = (HOLDS["found"], HOLDS["not found"])
ONCE = " (one seed)"


def verdict(d: Difference, p: float | None, way: int | None, least: float = LEAST) -> str:
    """`found`: as claimed, p at most .05. `not found`: the interval leaves less than `least` to the claim, or the
    opposite is significant. `undecided` otherwise. p is corrected."""
    if p is None or d.low is None or d.high is None:
        return "undecided"
    significant = p <= ALPHA
    if way == 0:
        return "found" if d.low > -least else "not found" if significant and d.value < 0 else "undecided"
    if significant:
        return "found" if way is None or way * d.value > 0 else "not found"
    most = max(-d.low, d.high) if way is None else max(way * d.low, way * d.high)
    return "not found" if most < least else "undecided"


@dataclass(frozen=True)
class Played:
    """A study's runs paired with its base, in the study's order."""

    study: Study
    base: BundledRun
    others: list[BundledRun]
    pairs: list[Pairs]

    @classmethod
    def of(cls, study: Study, runs: Sequence[BundledRun]) -> Played:
        """Raises UsageError where the base is missing, or a run was played otherwise."""
        by = {frozenset(run.words): run for run in runs}
        known = [by[key] for words in study.all() if (key := frozenset(words)) in by]
        if not known or frozenset(known[0].words) != frozenset(next(study.all())):
            raise UsageError(f"{study.name} has no run of {' '.join(study.runs[0])}")
        base, *others = known
        pairs = [pair(base, other) for other in others]
        for other, both in zip(others, pairs, strict=True):
            odd = [k for k in ALSO if getattr(base.record, k) != getattr(other.record, k)]
            odd += ["device"] * (on_gpu(base) != on_gpu(other))
            if odd or both.left_out:
                raise UsageError(f"{other.name} was played otherwise than {base.name}: {', '.join(odd) or 'samples'}")
        return cls(study, base, others, pairs)

    @cached_property
    def score(self) -> Score:
        """The one that runs are judged by."""
        return judged(self.base, self.pairs[0].names)

    @property
    def labels(self) -> list[str]:
        """Each run's method, and what was set by hand."""
        return [label(run) for run in self.others]

    def differences(self, name: str = "") -> list[tuple[Difference, float | None]]:
        """Of each run, in a score of the samples (the judged one), "yes" or "recall", with p corrected over all."""
        if name == "yes":
            return corrected([_yes(both) for both in self.pairs])
        if name == "recall":
            return corrected([_recall(self.base, both).difference for both in self.pairs])
        score = meanings(self.base).get(name, Score(name, None)) if name else self.score
        return corrected([both.difference(score) for both in self.pairs])

    def levels(self, name: str = "", group: str = "all") -> list[float]:
        """Of the base and of each run."""
        if name == "recall":
            found = [_recall(self.base, both) for both in self.pairs]
            return [found[0].a, *(f.b for f in found)]
        score = meanings(self.base).get(name, Score(name, None)) if name else self.score
        found = [both.of(group).level(score) for both in self.pairs]
        return [found[0][0], *(b for _, b in found)]

    @property
    def provenance(self) -> str:
        """What was played when and with what, from the records."""
        runs = [self.base, *self.others]
        days = sorted({(r.record.started or "")[:10] for r in runs} - {""})
        packages = sorted({f"{k} {v}" for r in runs for k, v in (r.record.identity.get("packages") or {}).items()})
        commits = list(dict.fromkeys((r.record.git.get("commit") or "")[:7] for r in runs))
        clusters = len({r.cluster for r in self.base.rows})
        what = f"`{' '.join(('harness eval', *self.study.words))}`: {len(runs)} runs of {len(self.base.rows)} samples"
        what += f" in {clusters} clusters, seed {self.base.record.seed}"
        machines = sorted({machine(r) for r in runs} - {""})
        commits = [c for c in commits if c]
        when = [f"played {' and '.join(days)}", *([f"on {' and '.join(machines)}"] if machines else [])]
        when += [f"with {', '.join(packages)}"] if packages else []
        when += [f"at commit{'s' * (len(commits) > 1)} {', '.join(commits)}"] if commits else []
        spent = sum(r.record.cpu_seconds or 0 for r in runs) / 60
        return f"{what}; {' '.join(when)}; {minutes(spent)} of CPU time in all."


def minutes(spent: float) -> str:
    """The words: "3 minutes", "1 minute" or "less than a minute"."""
    whole = round(spent)
    return "less than a minute" if not whole else f"{whole} minute{'s' * (whole > 1)}"


def on_gpu(run: BundledRun) -> bool:
    """Whether its model was on a GPU. Bundles of before say nothing of it, and none was."""
    return str(run.record.model_facts.get("device", "cpu")).startswith("cuda")


def machine(run: BundledRun) -> str:
    """The GPU, or else the CPU, that answered."""
    hardware = run.record.hardware
    return str((hardware.get("gpu") or [""])[0] if on_gpu(run) else hardware.get("cpu") or "")


def label(run: BundledRun) -> str:
    """Its method, and what was set by hand."""
    given = sorted(w.split(".", 2)[-1] for w in run.words if w.startswith("method."))
    return " ".join([f"`{run.record.method}`", *given])


def corrected(all_: Sequence[Difference]) -> list[tuple[Difference, float | None]]:
    return list(zip(all_, holm_of_tested([d.p for d in all_]), strict=True))


def _yes(pairs: Pairs) -> Difference:
    """Of the share of answers that say yes."""
    said = [[float(r.outcome is not None and r.outcome.verdict == "yes") for r in side] for side in pairs.sides]
    return paired_mean(said[0], said[1], pairs.clusters)


def _recall(base: BundledRun, pairs: Pairs) -> Figure:
    """CHAIR's recall, which no sample has alone."""
    return next(f for f in figures(base, pairs)[0] if (f.name, f.group) == ("recall", "all"))


def flips(d: Difference) -> str:
    return f"{d.right_to_wrong}/{d.wrong_to_right}"


def signed(d: Difference) -> str:
    return "" if math.isnan(d.value) else whole(d.value, d.low, d.high, "+.3f")


def chance(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def head(*names: str) -> Iterator[str]:
    """The first column is text, the others are numbers."""
    yield row(*names)
    yield f"|---|{'---:|' * (len(names) - 1)}"


def pope_table(one: Played) -> Iterator[str]:
    groups = one.pairs[0].groups
    order = [g for g in dict.fromkeys(m.group for m in one.base.metrics) if g in groups]
    yes = sum(r.outcome.verdict == "yes" for r in one.base.rows if r.outcome) / len(one.base.rows)
    yield from head("method", *order, "mean", "difference", "p (Holm)", "flips", "yes ratio", *COSTS)
    levels = list(zip(*(one.levels(group=g) for g in (*order, "all")), strict=True))
    yield row("`vanilla`", *(f"{v:.3f}" for v in levels[0]), "", "", "", f"{yes:.3f}", *absolute(one.base))
    rows = zip(one.labels, levels[1:], one.differences(), one.differences("yes"), one.others, strict=True)
    for label, at, (d, p), (shift, _), run in rows:
        cells = [*(f"{v:.3f}" for v in at), signed(d), chance(p), flips(d), signed(shift)]
        yield row(label, *cells, *costs(one.base, run))


def chair_table(one: Played) -> Iterator[str]:
    names = ("", "recall", "tokens")
    yield from head(
        "method", "CHAIR_i", "difference", "p (Holm)", *("recall", "difference", "tokens", "difference"), *COSTS
    )
    levels = list(zip(*map(one.levels, names), strict=True))
    chair, recall, tokens = levels[0]
    yield row("`vanilla`", f"{chair:.3f}", "", "", f"{recall:.3f}", "", f"{tokens:.1f}", "", *absolute(one.base))
    differences = zip(*map(one.differences, names), strict=True)
    for label, (chair, recall, tokens), found, run in zip(one.labels, levels[1:], differences, one.others, strict=True):
        (first, p), (second, _), (third, _) = found
        cells = [
            "undefined" if math.isnan(chair) else f"{chair:.3f}",
            signed(first),
            chance(p),
            f"{recall:.3f}",
            signed(second),
            f"{tokens:.1f}",
            signed(third),
        ]
        yield row(label, *cells, *costs(one.base, run))


def kept_table(one: Played) -> Iterator[str]:
    """Score by budget; then each run against vanilla, and against the window of the same budget."""
    vanilla, *levels = one.levels()
    by = {(_kind(r), _budget(r)): (r, v) for r, v in zip(one.others, levels, strict=True)}
    budgets = sorted({budget for _, budget in by if budget})
    yield from head("method", *(f"budget {b:g}" for b in budgets), "all")
    for method in dict.fromkeys(method for method, budget in by if budget):
        cells = [f"{by[method, b][1]:.3f}" if (method, b) in by else "" for b in budgets]
        yield row(f"`{method}`", *cells, f"{vanilla:.3f}")
    yield ""
    beside = ("against vanilla", "p (Holm)", f"against `{FIELD}`", "p (Holm)")
    yield from head("method", "budget", "kept share", one.score.name, *one.study.beside, *beside, *COSTS)
    more = [one.levels(name) for name in one.study.beside]
    first = ["", "1.000", f"{vanilla:.3f}", *(f"{m[0]:.2f}" for m in more), *[""] * len(beside)]
    yield row("`vanilla`", *first, *absolute(one.base))
    rivals = {
        key: pair(by[FIELD, key[1]][0], run).difference(one.score)
        for key, (run, _) in by.items()
        if key[0] != FIELD and (FIELD, key[1]) in by
    }
    against = dict(zip(rivals, corrected(list(rivals.values())), strict=True))
    for n, ((key, (run, value)), (d, p)) in enumerate(zip(by.items(), one.differences(), strict=True), 1):
        share = next(m.value for m in run.metrics if m.name == "kept_share" and m.group == "all")
        other = [signed(against[key][0]), chance(against[key][1])] if key in against else ["", ""]
        levels = [f"{share:.3f}", f"{value:.3f}", *(f"{m[n]:.2f}" for m in more)]
        cells = [f"{key[1]:g}" if key[1] else "", *levels, signed(d), chance(p), *other]
        yield row(f"`{key[0]}`" if key[1] else key[0], *cells, *costs(one.base, run))


def _kind(run: BundledRun) -> str:
    """The method; with what was set by hand, where it has no budget."""
    return run.record.method if _budget(run) else label(run)


def _budget(run: BundledRun) -> float | None:
    """None of a pattern that has none."""
    return next((float(w.rpartition("=")[2]) for w in run.words if ".budget=" in w), None)


def agents_table(one: Played) -> Iterator[str]:
    """The score, and what the pipelines measured of themselves."""
    yield from head("method", one.score.name, "difference", "p (Holm)", "flips", "measured", *COSTS)
    vanilla, *levels = one.levels()
    yield row(label(one.base), f"{vanilla:.3f}", "", "", "", _measured(one.base, one.study), *absolute(one.base))
    for name, value, run, (d, p) in zip(one.labels, levels, one.others, one.differences(), strict=True):
        cells = [f"{value:.3f}", signed(d), chance(p), flips(d), _measured(run, one.study)]
        yield row(name, *cells, *costs(one.base, run))


def _measured(run: BundledRun, study: Study) -> str:
    known = {m.name: m.value for m in run.metrics if m.group == "all"}
    return ", ".join(f"{name} {known[name]:.2f}" for name in study.beside if name in known)


COSTS = ("seconds", "passes", "positions")
"""Seconds a sample, rows times decoder passes, and tokens in them: of vanilla, and of others in multiples of it."""


def absolute(run: BundledRun) -> list[str]:
    found = run.cost()
    return [f"{found[k]:.3g}" if found.get(k) else "" for k in COSTS]


def costs(base: BundledRun, run: BundledRun) -> list[str]:
    one, two = base.cost(), run.cost()
    return [f"{two[k] / one[k]:.2f}x" if one.get(k) and two.get(k) else "" for k in COSTS]


TABLES: Mapping[str, Callable[[Played], Iterator[str]]] = {
    "pope": pope_table,
    "chair": chair_table,
    "kept": kept_table,
    "agents": agents_table,
}


def claims_table(every: Sequence[Mapping[str, Played]]) -> Iterator[str]:
    """One row a claim, with what each seed's studies by task say; of several, `found` needs all, and so does
    `not found`. Where some have no run of the method the verdict says of how many it is."""
    yield "| method | claim | difference | p (Holm) | here |"
    yield "|---|---|---|---|---|"
    seen = [_seen(one) for one in every]
    for claim in CLAIMS:
        key = (claim.task, claim.score, claim.method)
        found = [s[key] for s in seen if key in s]
        if not found:
            continue
        words = {verdict(d, p, claim.way) for d, p in found}
        said = words.pop() if len(words) == 1 else "undecided"
        said += f" ({len(found)} of {len(every)} seeds)" if len(found) < len(every) else ""
        differences = "; ".join(signed(d) for d, _ in found)
        yield row(f"`{claim.method}`", claim.words, differences, "; ".join(chance(p) for _, p in found), said)


def _seen(every: Mapping[str, Played]) -> dict[tuple[str, str, str], tuple[Difference, float | None]]:
    """By task, score and method."""
    out = {}
    for task, score in dict.fromkeys((c.task, c.score) for c in CLAIMS if c.task in every):
        one = every[task]
        found = one.differences("" if score == one.score.name else score)
        out |= {(task, score, r.record.method): d for r, d in zip(one.others, found, strict=True)}
    return out

"""Methods against hallucination on one model beside vanilla, and what each is published to do: tables from stored runs.

    harness tune method=NAME task=pope model=smol-llava          # once for each method with a grid, calibration split
    python benchmarks/methods.py --run --model smol-llava [--limit N --captions N]
    python benchmarks/methods.py --model smol-llava [...] > table.md

`--run` plays what is missing, one method after the other, cheap ones first; rerun it to resume. Without it nothing is
played: the tables are made from the runs that `--results` holds, so that whoever has the runs gets the same tables.
Two folders of runs, one for each seed's delta: name both; a claim holds where it is found in each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.comparison.compare import Comparison, compare
from harness.comparison.pairing import pair
from harness.runs.stored import select
from harness.stats import Difference, paired_mean
from harness.stats.corrections import holm

METHODS = (
    *("vanilla", "vcd", "pai", "vista", "var", "dola", "paint", "flowcut", "iri", "vhr", "gift", "icd", "sid", "inter"),
    *("truthprint", "carve", "opera"),
)
"""Against hallucination, by cost. AGLA needs a matching model from outside."""
CHAIR_I = "hallucinated/mentioned"
TASKS = {"pope": "correct", "chair": CHAIR_I}
"""The score by which each task is judged."""
LEAST = 0.01
"""A claimed effect below one point counts as none."""
ALPHA = 0.05


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
    Claim("flowcut", "pope", "correct", 0, "keeps accuracy with a third of the visual tokens"),
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
)


def verdict(d: Difference, p: float | None, way: int | None) -> str:
    """`found`: as claimed, p at most .05. `not found`: the interval leaves less than LEAST to the claim, or the
    opposite is significant. `undecided` otherwise. p is corrected."""
    if p is None or d.low is None or d.high is None:
        return "undecided"
    significant = p <= ALPHA
    if way == 0:
        return "found" if d.low > -LEAST else "not found" if significant and d.value < 0 else "undecided"
    if significant:
        return "found" if way is None or way * d.value > 0 else "not found"
    most = max(-d.low, d.high) if way is None else max(way * d.low, way * d.high)
    return "not found" if most < LEAST else "undecided"


@dataclass(frozen=True)
class Played:
    """The methods' comparisons with vanilla on one task, in the order of METHODS."""

    base: Any
    others: list[Any]
    found: list[Comparison]

    def differences(self, score: str) -> list[tuple[Difference, float | None]]:
        """Of each method, with p corrected over all of them."""
        all_ = [
            _yes(self.base, o) if score == "yes" else _row(c, score)
            for o, c in zip(self.others, self.found, strict=True)
        ]
        if any(d.p is None for d in all_):
            return [(d, None) for d in all_]
        return list(zip(all_, holm([d.p or 0.0 for d in all_]), strict=True))


def _row(comparison: Comparison, score: str) -> Difference:
    return next(r.difference for r in comparison.rows if r.score == score and r.group == "all")


def _yes(base: Any, other: Any) -> Difference:
    """Of the share of answers that say yes."""
    pairs = pair(base, other)
    said = [[float(r.outcome is not None and r.outcome.verdict == "yes") for r in side] for side in pairs.sides]
    return paired_mean(said[0], said[1], pairs.clusters)


def played(results: Path, model: str, task: str, limit: int | None) -> Played | None:
    """Of the runs of a folder: the newest of each method. None where vanilla has not been played."""
    runs = {}
    filters = [f"task={task}", f"model={model}", "data=embedded", f"limit={limit}"]
    for method in METHODS:
        fitting = select(results, [*filters, f"method={method}"])
        if finished := [r for r in fitting if r.record.status.scored]:
            runs[method] = finished[0]
    if "vanilla" not in runs:
        return None
    base, *others = runs.values()
    found = compare(base, others) if others else []
    if other := next((c for c in found if c.also or c.left_out), None):
        sys.exit(f"{other.b} was played otherwise than {other.a}: {'; '.join(other.also) or 'other samples'}")
    return Played(base, others, found)


def signed(d: Difference) -> str:
    bounds = "" if d.low is None or d.high is None else f" [{d.low:+.3f}, {d.high:+.3f}]"
    return f"{d.value:+.3f}{bounds}"


def chance(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def pope_table(one: Played) -> Iterator[str]:
    metrics = {(m.name, m.group): m.value for m in one.base.metrics}
    groups = [g for g in dict.fromkeys(m.group for m in one.base.metrics) if g not in ("all", "mean")]
    yes = sum(r.outcome.verdict == "yes" for r in one.base.results() if r.outcome) / len(one.base.results())
    yield f"| method | {' | '.join(groups)} | mean | difference | p (Holm) | flips | yes ratio | seconds | passes |"
    yield f"|---|{'---:|' * (len(groups) + 7)}"
    levels = [metrics["accuracy", g] for g in groups]
    cells = [*(f"{v:.3f}" for v in levels), f"{sum(levels) / len(levels):.3f}", "", "", "", f"{yes:.3f}", "1", "1"]
    yield f"| `vanilla` | {' | '.join(cells)} |"
    shifts = one.differences("yes")
    for c, (d, p), (shift, _) in zip(one.found, one.differences("correct"), shifts, strict=True):
        rows = {r.group: r.b for r in c.rows if r.score == "correct"}
        cells = [*(f"{rows[g]:.3f}" for g in groups), f"{rows['all']:.3f}", signed(d), chance(p)]
        cells += [f"{d.right_to_wrong}/{d.wrong_to_right}", signed(shift), *costs(c)]
        yield f"| `{c.labels[1]}` | {' | '.join(cells)} |"


def chair_table(one: Played) -> Iterator[str]:
    yield "| method | CHAIR_i | difference | p (Holm) | recall | difference | tokens | difference | seconds | passes |"
    yield f"|---|{'---:|' * 9}"
    scores = (CHAIR_I, "recall", "tokens")
    for c, ds in zip(one.found, zip(*(one.differences(s) for s in scores), strict=True), strict=True):
        if c is one.found[0]:
            cells = [x for s in scores for x in (f"{_level(c, s).a:.3f}", *([""] if s != CHAIR_I else ["", ""]))]
            yield f"| `vanilla` | {' | '.join(cells)} | 1 | 1 |"
        (chair, p), (recall, _), (length, _) = ds
        cells = [f"{_level(c, CHAIR_I).b:.3f}", signed(chair), chance(p), f"{_level(c, 'recall').b:.3f}"]
        cells += [signed(recall), f"{_level(c, 'tokens').b:.1f}", signed(length), *costs(c)]
        yield f"| `{c.labels[1]}` | {' | '.join(cells)} |"


def _level(c: Comparison, score: str) -> Any:
    return next(r for r in c.rows if r.score == score and r.group == "all")


def costs(c: Comparison) -> list[str]:
    """Seconds and decoder passes a sample, in multiples of vanilla's."""
    base, other = c.cost
    return [f"{other[k] / base[k]:.2f}" if base.get(k) and other.get(k) else "" for k in ("seconds", "passes")]


def claims_table(every: Sequence[dict[str, Played]]) -> Iterator[str]:
    """One row a claim, with what each folder says; of several, `found` needs all, and so does `not found`."""
    yield "| method | claim | difference | p (Holm) | here |"
    yield "|---|---|---|---|---|"
    for claim in CLAIMS:
        seen = [s for s in (_seen(one.get(claim.task), claim) for one in every) if s]
        if not seen:
            continue
        words = {verdict(d, p, claim.way) for d, p in seen}
        said = words.pop() if len(words) == 1 and len(seen) == len(every) else "undecided"
        differences = "; ".join(signed(d) for d, _ in seen)
        yield f"| `{claim.method}` | {claim.words} | {differences} | {'; '.join(chance(p) for _, p in seen)} | {said} |"


def _seen(one: Played | None, claim: Claim) -> tuple[Difference, float | None] | None:
    names = [c.labels[1] for c in one.found] if one else []
    return one.differences(claim.score)[names.index(claim.method)] if one and claim.method in names else None


def run(model: str, results: Path, limits: dict[str, int | None], methods: Sequence[str], more: Sequence[str]) -> int:
    """Play task by task, method by method; what is finished is not played again."""
    for task in TASKS:
        for method in methods:
            words = ["eval", f"task={task}", f"model={model}", f"method={method}", f"results={results}", *more]
            words += [f"limit={n}"] if (n := limits[task]) else []
            if code := subprocess.run([sys.executable, "-m", "harness", *words]).returncode:
                return code
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, nargs="+", default=[Path("results")], help="a folder for each seed")
    parser.add_argument("--model", default="smol-llava")
    parser.add_argument("--run", action="store_true", help="play what the (one) folder lacks")
    parser.add_argument("--limit", type=int, help="questions of POPE (all)")
    parser.add_argument("--captions", type=int, help="pictures of CHAIR (all)")
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="NAME", help="only these, with --run")
    given, more = parser.parse_known_args()
    limits = {"pope": given.limit, "chair": given.captions}
    if given.run:
        return run(given.model, given.results[0], limits, given.methods, more)
    every = []
    for results in given.results:
        one = {task: p for task in TASKS if (p := played(results, given.model, task, limits[task]))}
        every.append(one)
        for task, table in (("pope", pope_table), ("chair", chair_table)):
            if (p := one.get(task)) and p.found:
                n, clusters = p.found[0].paired, p.found[0].judged.difference.clusters
                print(f"{results}: {task}, {n} samples of {clusters} pictures, run {p.base.name}\n")
                print("\n".join([*table(p), ""]))
    print("\n".join(claims_table(every)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

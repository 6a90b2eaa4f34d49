"""Claims of papers about layers, checked on models of the zoo: docs/zoo-claims.md, made of kept runs.

    python benchmarks/zoo_claims.py train --weights DIR      # what is missing (hours of one core for all); resumes
    python benchmarks/zoo_claims.py play --weights DIR [--results DIR]  # all in DIR, and all that is committed
    python benchmarks/zoo_claims.py keep [--results DIR] [--kept FILE ...]  # into results/zoo/claims.parquet
    python benchmarks/zoo_claims.py write                    # docs/zoo-claims.md from it

A claim is a list of pairs: which of two models must do better, on the same sequences, over all their seeds.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from cells import whole
from method_tables import DECIDED, HOLDS, ONCE, signed, verdict
from zoo_claim_list import CLAIMS, TASKS, Arm, Claim, Pair

from harness.core import Outcome, Result
from harness.interop import bundle
from harness.interop.bundle import BundledRun
from harness.plugins.registry import ROOT
from harness.runs.stored import StoredRun, stored
from harness.stats import Difference
from harness.stats.corrections import holm_of_tested
from harness.stats.seeds import over_seeds, seeds_difference
from harness.zoo.recipe import recipe

PAGE = ROOT / "docs/zoo-claims.md"
KEPT = ROOT / "results/zoo/claims.parquet"
BLOCK = re.compile(r"(<!-- claims: [^\n]*-->\n).*?(<!-- end -->\n)", re.DOTALL)
MARGIN, SHARE = 0.01, 0.05
"""A difference that is none: of accuracies, and of errors as a share of the worse one."""
ABSENT = "not run yet"
COPIED, ABRUPT = 0.25, 0.5
"""Accuracy on fresh classes of who copies a label of the context (burst / items), and decades of steps."""


@dataclass(frozen=True)
class Found:
    """One pair as the kept runs have it; `difference` is positive where the claim has it, None without an arm."""

    pair: Pair
    difference: Difference | None
    verdict: str


class Runs:
    """The kept runs by arm and seed."""

    def __init__(self, runs: Sequence[BundledRun]):
        self.by: dict[tuple[str, str, str], dict[int, BundledRun]] = {}
        """(model, course, probe) -> seed -> run."""
        for run in runs:
            facts = run.record.model_facts
            course = str(run.record.task_facts.get("course") or run.record.data)
            seed = int((facts["courses"].get(course) or {}).get("seed") or 0)
            probe = run.record.method.replace("vanilla", "")
            self.by.setdefault((str(facts["mixer"]), course, probe), {})[seed] = run

    def of(self, arm: Arm) -> dict[int, BundledRun]:
        """Those that were trained as the arm says."""
        found = sorted(self.by.get((arm.model, arm.course, arm.probe), {}).items())
        want = {k: float(v) for k, v in (w.split("=") for w in arm.train)}
        courses = {seed: run.record.model_facts["courses"][arm.course]["recipe"] for seed, run in found}
        return {s: run for s, run in found if all(courses[s].get(k) == v for k, v in want.items())}

    def values(self, arm: Arm) -> tuple[dict[int, np.ndarray], list[str], bool]:
        """Seed -> scores, the clusters of their rows, and whether more is better."""
        out, clusters, up = {}, [], True
        for seed, run in self.of(arm).items():
            primary = next(m for m in run.metrics if m.primary)
            score = arm.score or primary.score
            up = primary.higher_is_better is not False and not arm.probe
            rows = [r for r in run.results() if r.outcome and score in r.outcome.scores]
            out[seed] = np.array([r.outcome.scores[score] for r in rows if r.outcome])
            clusters = [r.cluster for r in rows]
        if arm.score and not arm.probe:  # a predictor says the same whichever model was asked
            out = dict(list(out.items())[:1])
        return out, clusters, up

    def once(self, pair: Pair) -> bool:
        """Whether a trained side of it has one seed alone: another training may differ by more than sequences tell."""
        return any(len(self.of(arm)) == 1 for arm in (pair.better, pair.worse) if arm.probe or not arm.score)

    def level(self, arm: Arm) -> str:
        """The arm's value with its interval, then that of each seed."""
        values, clusters, up = self.values(arm)
        if not values:
            return ABSENT
        e = over_seeds(np.stack(list(values.values())), clusters, (0.0, 1.0) if up else (0.0, math.inf))
        each = f"; {', '.join(f'{v.mean():.3f}' for v in values.values())}" if len(values) > 1 else ""
        return whole(e.value, e.low, e.high) + (each if e.low is not None else "")

    def facts(self, arm: Arm) -> list[dict[str, Any]]:
        """What the runs recorded of the training, one a seed."""
        return [run.record.model_facts["courses"][arm.course] for run in self.of(arm).values()]

    @cached_property
    def cpu_seconds(self) -> float:
        """Of all kept trainings, each once."""
        arms = {(model, course): probe for model, course, probe in sorted(self.by, reverse=True)}
        return sum(f["cpu_seconds"] for (m, c), probe in arms.items() for f in self.facts(Arm(m, c, probe=probe)))


def judged(claim: Claim, runs: Runs) -> list[Found]:
    """Every pair, its p corrected over those of the claim (Holm)."""
    found = []
    for p in claim.pairs:
        (a, rows, up), (b, others, _) = runs.values(p.better), runs.values(p.worse)
        d = None
        if a and b:
            assert rows == others, "both arms answer the same sequences"
            d = seeds_difference(b, a, rows) if up else seeds_difference(a, b, rows)
        found.append((p, d, up, *(fmean(map(np.mean, x.values())) if x else 0.0 for x in (a, b))))
    corrected = holm_of_tested([d.p if d else None for _, d, *_ in found])
    out = []
    for (p, d, up, reached, level), p_value in zip(found, corrected, strict=True):
        margin = MARGIN if up else SHARE * level
        said = ABSENT if d is None else HOLDS[verdict(d, p_value, 0 if p.reaches else 1, margin)]
        if said != ABSENT and (level < p.least or reached < p.floor):
            said = "undecided"
        if said in DECIDED and runs.once(p):
            said += ONCE
        out.append(Found(p, d, said))
    return out


def abruptness(curve: Sequence[dict[str, Any]], part: str, plateau: float) -> float | None:
    """Decades of steps from 10 to 90 % of the rise above the plateau, between points of the curve on a logarithmic
    axis; None where it did not rise by a quarter."""
    points = [(math.log10(p["step"]), p["scores"][part]) for p in curve if p["step"] >= 1 and part in p["scores"]]
    high = max((v for _, v in points), default=plateau)
    if high - plateau < 0.25:
        return None
    ends = [_crossed(points, plateau + share * (high - plateau)) for share in (0.1, 0.9)]
    return ends[1] - ends[0]


def _crossed(points: Sequence[tuple[float, float]], level: float) -> float:
    """Where the curve first reaches a level."""
    for (x, v), (y, w) in itertools.pairwise(points):
        if v < level <= w:
            return x + (y - x) * (level - v) / (w - v)
    return points[0][0]


def summed(verdicts: Sequence[str]) -> str:
    """Of a claim, of its parts': the least that is known of any."""
    found = [v.removesuffix(ONCE) for v in verdicts]
    once = ONCE if any(v.endswith(ONCE) for v in verdicts) else ""
    absent = found.count(ABSENT)
    if "does not hold" in found or absent == len(found):
        return f"does not hold{once}" if "does not hold" in found else ABSENT
    if absent:
        return f"undecided ({absent} of {len(found)} not run)"
    return "undecided" if "undecided" in found else f"holds{once}"


def shown(claim: Claim, runs: Runs) -> Iterator[str]:
    """The claim's part of the page."""
    lines, absent = list(_abrupt(claim, runs) if claim.abrupt else _pairs(claim, runs)), []
    yield from (f"## {claim.name}: {lines[0]}", "")
    yield from _folded(f"[arXiv {claim.paper}](https://arxiv.org/abs/{claim.paper}): {claim.says} Here: {claim.here}")
    yield from lines[1:]
    absent = [arm for arm in claim.arms if not runs.of(arm)]
    if absent:
        yield from ("", "Not run yet:", "")
        yield from dict.fromkeys(f"    {arm.command()}" for arm in absent)
    yield ""


def _pairs(claim: Claim, runs: Runs) -> Iterator[str]:
    """The verdict, then a table."""
    found = judged(claim, runs)
    yield summed([f.verdict for f in found])
    yield from ("", "| must do better | | than | | by | verdict |", "|---|---|---|---|---|---|")
    for f in found:
        d, p = f.difference, f.pair
        by = "" if d is None else signed(d)
        than = f"{p.worse.where}{' (or as well)' if p.reaches else ''}"
        yield f"| {p.better.where} | {runs.level(p.better)} | {than} | {runs.level(p.worse)} | {by} | {f.verdict} |"
    if told := _trained(claim, runs):
        yield from ("", *_folded(told))


def _abrupt(claim: Claim, runs: Runs) -> Iterator[str]:
    assert claim.abrupt
    found = [(f["seed"], abruptness(f["curve"], "ic", COPIED), f["scores"]["ic"]) for f in runs.facts(claim.abrupt)]
    widths = [w for _, w, _ in found]
    if not found:
        yield ABSENT
    elif any(w is None for w in widths):
        yield "undecided"
    else:
        said = "holds" if max(w for w in widths if w is not None) < ABRUPT else "does not hold"
        yield said + (ONCE if len(found) == 1 else "")
    if found:
        yield from ("", "| seed | 10 to 90 % of the rise, decades of steps | accuracy at the end |", "|---|---|---|")
        yield from (f"| {s} | {'no rise' if w is None else f'{w:.2f}'} | {v:.3f} |" for s, w, v in found)
        yield from ("", *_folded(_trained(claim, runs)))


def _trained(claim: Claim, runs: Runs) -> str:
    """Steps, examples and seeds behind the numbers."""
    parts = []
    for arm in dict.fromkeys((a.model, a.course, a.probe) for a in claim.arms):
        facts = runs.facts(Arm(arm[0], arm[1], probe=arm[2]))
        if facts:
            steps = " and ".join(dict.fromkeys(f"{f['steps']} steps of {f['recipe']['batch']}" for f in facts))
            state = (facts[0].get("state_bytes") or {}).get("64")
            kept = f", {state / 1000:.1f} kB of state" if state and claim.pairs and arm[1] == "mqar" else ""
            seeds = ", ".join(str(f["seed"]) for f in facts)
            parts.append(f"`{arm[0]}` on {arm[1]}: {steps}, seed{'s' * (len(facts) > 1)} {seeds}{kept}")
    return f"Trained: {'; '.join(parts)}." if parts else ""


def _folded(text: str) -> list[str]:
    return textwrap.wrap(text, 116, break_on_hyphens=False, break_long_words=False)


def written(page: str, runs: Runs) -> str:
    """The page with its block made anew."""
    seconds = (
        f"{runs.cpu_seconds:.0f} CPU seconds of training are behind these numbers" if runs.by else "no run is kept"
    )
    lines = ["", f"{seconds[0].upper()}{seconds[1:]}.", "", "| claim | verdict |", "|---|---|"]
    parts = [list(shown(claim, runs)) for claim in CLAIMS]
    lines += [f"| {c.name} | {part[0].rpartition(': ')[2]} |" for c, part in zip(CLAIMS, parts, strict=True)]
    lines += ["", *(line for part in parts for line in part)]
    return BLOCK.sub(lambda m: f"{m[1]}{chr(10).join(lines)}\n{m[2]}", page)


def kept() -> Runs:
    return Runs(bundle.read(KEPT) if KEPT.is_file() else [])


def _arms() -> list[Arm]:
    """Those that are trained and asked, each once."""
    return list(dict.fromkeys(Arm(a.model, a.course, train=a.train, probe=a.probe) for c in CLAIMS for a in c.arms))


def train(weights: Path) -> int:
    from harness.cli import main

    for arm in _arms():
        if code := main(arm.command(str(weights)).split()[1:]):
            return code
    return 0


def play(weights: Path, results: Path) -> int:
    """What has been trained, one run after the other in one process; what is finished is not played again."""
    from harness.cli import main
    from harness.zoo.card import every

    probes = {(arm.model, arm.course): arm.probe for arm in _arms() if arm.probe}
    found = {(t.course, t.name, t.seed): t.folder for folder in (None, weights) for t in every(*filter(None, [folder]))}
    found = {key: folder for key, folder in found.items() if key[0] in TASKS}
    for (course, name, seed), folder in sorted(found.items()):
        model = ("model=zoo", f"mixer={name}", f"training_seed={seed}", f"weights={folder}")
        for method in dict.fromkeys(("", probes.get((name, course), ""))):
            words = [*model, *([f"method={method}"] if method else []), *TASKS[course]]
            if code := main(["eval", *words, f"results={results}", "logger=quiet"]):
                return code
    return 0


class _Read(StoredRun):
    """A run whose samples have what probes read among their scores, and nothing that no verdict needs."""

    def results(self) -> list[Result]:
        read, out = self.readings(), []
        for r in super().results():
            if r.outcome:
                numbers = {k: v.value for k, v in read.get(r.id, {}).items() if v.small and math.isfinite(v.value)}
                scores = {k: float(f"{v:.5g}") for k, v in {**r.outcome.scores, **numbers}.items()}
                out.append(Result(r.id, r.cluster, r.group, None, Outcome("", scores)))
        return out


def keep(results: Path, others: Sequence[Path] = ()) -> int:
    """The newest finished run of each model and seed, beside what is kept already, here and in `others`."""
    by: dict[tuple[str, ...], Any] = {}
    known = [set(words) for words in TASKS.values()]
    for run in stored(results):
        words = bundle.told(run)
        asked = {w for w in words if w.partition("=")[0].split(".")[0] == "task"}
        if run.record.status.scored and "mixer" in run.record.model_facts and asked in known:
            by[tuple(sorted(words))] = _Read(run.directory, run.record)
    new = bundle.write([by[key] for key in sorted(by)], KEPT.with_suffix(".new.parquet"))
    try:
        return bundle.merge([*([KEPT] if KEPT.is_file() else []), *others, new], KEPT, _current)
    finally:
        new.unlink()


def _current(record: dict[str, Any]) -> bool:
    """Whether the model of a kept run was trained as long as its recipe says today."""
    facts = record["model_facts"]
    course = str(record["task_facts"].get("course") or record["data"])
    return facts["courses"][course]["steps"] == recipe(facts["mixer"], course).steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("train", "play", "keep", "write"))
    parser.add_argument("--weights", type=Path, default=Path("results/zoo"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--kept", type=Path, nargs="*", default=[], help="runs that were kept on other machines")
    given = parser.parse_args()
    if given.action == "train":
        return train(given.weights)
    if given.action == "play":
        return play(given.weights, given.results)
    if given.action == "keep":
        print(f"{keep(given.results, given.kept)} runs in {KEPT}")
    else:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), kept()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Recall against state, docs/zoo-recall.md: of kept runs (benchmarks/zoo_claims.py) and speeds (benchmarks/zoo.py).

python benchmarks/zoo_recall.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from statistics import fmean

import numpy as np
from cells import whole
from zoo_claims import Runs, kept

from harness.interop.bundle import BundledRun
from harness.leaderboard.zoo import ranks, speeds
from harness.plugins.registry import ROOT
from harness.stats.seeds import over_seeds

PAGE = ROOT / "docs/zoo-recall.md"
BLOCK = re.compile(r"(<!-- recall: [^\n]*-->\n).*?(<!-- end -->\n)", re.DOTALL)
COURSES = ("mqar", "needle", "passkey", "copying", "tracking")
LENGTH = "64"
"""Positions after which the state is weighed: as long as the sequences are."""


def table(course: str, runs: Runs) -> Iterator[str]:
    """A line a model, the best first."""
    of = {model: runs.by[model, c, probe] for model, c, probe in runs.by if c == course and not probe}
    values: dict[str, dict[int, np.ndarray]] = {}
    clusters: list[str] = []
    for model, seeds in of.items():
        for seed, run in seeds.items():
            rows = [r for r in run.results() if r.outcome]
            values.setdefault(model, {})[seed] = np.array([r.outcome.scores["correct"] for r in rows if r.outcome])
            clusters = [r.cluster for r in rows]
    places = ranks(values, np.array(clusters), True)
    measured = speeds(ROOT / "results")
    front, best = set(), -1.0
    known = {m: _facts(of[m], course) for m in of}
    scores = {m: over_seeds(np.stack(list(v.values())), clusters) for m, v in values.items()}
    for model in sorted(of, key=lambda m: (known[m]["state"], -scores[m].value)):
        if scores[model].value > best:
            best = scores[model].value
            front.add(model)
    yield "| rank | model | accuracy | seeds | state, kB | prefill, tokens/s | decoding, tokens/s | training, CPU s |"
    yield "|---|---|---|--:|--:|--:|--:|--:|"
    for model in sorted(of, key=lambda m: (-scores[m].value, m)):
        e, (low, high), speed = scores[model], places[model], measured.get((model, course), {})
        rank = f"{low}" if low == high else f"{low}-{high}"
        shown = whole(e.value, e.low, e.high)
        rates = " | ".join(f"{speed[k]:,.0f}" if k in speed else "" for k in ("prefill", "decode"))
        name = f"**{model}**" if model in front else model
        facts = known[model]
        yield (
            f"| {rank} | {name} | {shown} | {len(of[model])} | {facts['state'] / 1000:.1f} | {rates} | "
            f"{facts['seconds']:.0f} |"
        )


def _facts(seeds: dict[int, BundledRun], course: str) -> dict[str, float]:
    facts = [run.record.model_facts["courses"][course] for run in seeds.values()]
    return {"state": facts[0]["state_bytes"][LENGTH], "seconds": fmean(f["cpu_seconds"] for f in facts)}


def written(page: str, runs: Runs) -> str:
    """The page with its block made anew."""
    parts = [
        ["", f"## {course}", "", *table(course, runs)] for course in COURSES if any(c == course for _, c, _ in runs.by)
    ]
    lines = [line for part in parts for line in part]
    return BLOCK.sub(lambda m: f"{m[1]}{chr(10).join(lines)}\n\n{m[2]}", page)


def main() -> int:
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), kept()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

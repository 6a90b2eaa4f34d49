"""Causal tracing's published findings, looked for on a model: recovery rates by part, kind of token and third of depth.

python -m benchmarks.tracing [--model smol-llava] [--pictures 12] [--each 3] [--every 6] [--kinds last,...]

Asks the first questions of each picture about objects that are there. Also says how much deeper one kind of token is
than the one before it, question by question.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

import harness
from harness.methods._shared.tracing import KINDS, PARTS
from harness.plugins.registry import Registry
from harness.stats import mean

THIRDS = ("early", "middle", "late")
SHOWN = ("object visual", "late visual", "object text", "late text", "last")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smol-llava")
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--kinds", default=",".join(SHOWN))
    parser.add_argument("--results", default="results")
    given = parser.parse_args()
    method = {"trace": {"every": given.every, "kinds": given.kinds.split(",")}}
    asked = present(given.pictures, given.each)
    report(harness.evaluate("pope", method, model=given.model, ids=asked, results=given.results, logger="quiet"))


def present(pictures: int, each: int) -> list[str]:
    """Questions about objects that are there: the first ones of the first pictures, each object once."""
    found: dict[str, dict[str, str]] = {}
    for sample in Registry().tasks["pope"].build(data="embedded").samples():
        if sample.target == "yes":
            found.setdefault(sample.cluster, {}).setdefault(str(sample.data["question"]), sample.id)
    return [i for asked in list(found.values())[:pictures] for i in list(asked.values())[:each]]


def report(run: harness.Run) -> None:
    """Rates of the questions that have some, with 95 % intervals over pictures."""
    picture = {r.id: str(r.cluster) for r in run.results()}
    lost = {i: r.value for i, r in run.reading("trace.lost").items()}
    found = {i: v for i, v in lost.items() if v > 0.1}
    print(f"{len(found)} of {len(lost)} questions lose more than .1 of their answer's probability under noise")
    print(f"| kind of token | part | {' | '.join(THIRDS)} | highest in layer | centre |\n|{'---|' * 7}")
    names = {name for one in run.stored.readings().values() for name in one}
    centres: dict[str, dict[str, dict[str, float]]] = {part: {} for part in PARTS}
    for kind in (k for k in KINDS if f"trace.hidden_{k.replace(' ', '_')}_layers" in names):
        for part in PARTS:
            read = run.reading(f"trace.{part}_{kind.replace(' ', '_')}_layers")
            ids = [i for i in read if i in found]
            curves = np.array([read[i].values for i in ids])
            layers = np.flatnonzero(np.isfinite(curves).any(0))
            curves, clusters = curves[:, layers], [picture[i] for i in ids]
            thirds = np.array_split(curves, 3, axis=1)
            cells = [told(x.mean(1), clusters) if x.size else "" for x in thirds]
            total = curves.sum(1)
            some = total > 0
            depths = (curves[some] @ layers) / total[some]
            centre = told(depths, [c for c, s in zip(clusters, some, strict=True) if s])
            centres[part][kind] = dict(zip(np.array(ids)[some].tolist(), depths.tolist(), strict=True))
            top = int(curves.mean(0).argmax())
            peak = f"{layers[top]}: {told(curves[:, top], clusters)}"
            print(f"| {kind} ({len(ids)}) | {part} | {' | '.join(cells)} | {peak} | {centre} |")
    for part, of in centres.items():
        for (before, one), (after, two) in itertools.pairwise(of.items()):
            both = [i for i in one if i in two]
            later = told(np.array([two[i] - one[i] for i in both]), [picture[i] for i in both], -np.inf)
            print(f"{part}: {after} {later} layers deeper than {before}")


def told(values: np.ndarray, clusters: list[str], least: float = 0.0) -> str:
    found = mean(values, clusters, False, (least, np.inf))
    ends = f" [{found.low:.3f}, {found.high:.3f}]" if found.low is not None else ""
    return f"{found.value:.3f}{ends}"


if __name__ == "__main__":
    main()

"""The circuits of two tasks, found backwards as in Circuit Component Reuse, their overlap, and the repair:

python -m benchmarks.circuits [--model smollm2] [--limit 12] [--repaired 60] [--results DIR]

Five runs, each of which continues where it was stopped.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import harness
from harness.stats import mean

TASKS = ("names", "colours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--limit", type=int, default=12, help="prompts of each task that are patched")
    parser.add_argument("--repaired", type=int, default=60, help="prompts of colours that the oracle repairs")
    parser.add_argument("--results", default="results")
    given = parser.parse_args()

    def play(task: str, limit: int = given.limit, **values: Any) -> harness.Run:
        settings = {"heads": values} if values else "heads"
        chosen = {"circuits": {"variants": task}}
        return harness.evaluate(chosen, settings, model=given.model, limit=limit, results=given.results, logger="quiet")

    first = {task: play(task) for task in TASKS}
    for task, run in first.items():
        print(f"{task}: right {told(run.metric('correct').value, run.metric('correct'))}")
        print(f"  paths to the logits: {strongest(run, 'heads.paths')}")
        print(f"  activation patching: {strongest(run, 'heads.patched')}")
    second = {task: play(task, receivers=names(run.circuit("heads.paths"))) for task, run in first.items()}
    for task, run in second.items():
        print(f"{task}: paths to those heads: {strongest(run, 'heads.to_receivers')}")
    for runs, reading in (
        (first, "heads.heads"),
        (first, "heads.paths"),
        (first, "heads.patched"),
        (second, "heads.to_receivers"),
    ):
        found = runs["names"].overlap(runs["colours"], reading)
        print(
            f"overlap of {reading}: {len(found.both)} of {len(found.a)} heads, {found.share:.2f} "
            f"[{found.low:.2f}, {found.high:.2f}], chance {found.chance:.2f}, p = {found.p:.2g}; rank correlation "
            f"of all heads {found.correlation:.2f}"
        )
    chosen = names(in_front(first["names"], second["names"]))
    repaired = play("colours", given.repaired, patch=None, repair=chosen)
    for name in ("right", "oracle_right", "oracle_repair"):
        read = repaired.reading(f"heads.{name}")
        value = mean([r.value for r in read.values()], list(read), False, (-np.inf, np.inf))
        print(f"colours, {', '.join(chosen)} on the wrong colours: {name} {told(value.value, value)}")


def in_front(paths: harness.Run, receivers: harness.Run) -> list[tuple[int, int]]:
    """What the paper repairs: three heads in front of the movers, whose paths to them bring most of the answer, and the
    negative mover."""
    movers = min(l for l, _ in paths.circuit("heads.paths"))
    brings = averaged(receivers, "heads.to_receivers")[:movers]
    speaks = averaged(paths, "heads.paths")
    flat = [*np.argsort(-brings, axis=None)[:3], speaks.argmin()]
    return [(int(n) // speaks.shape[1], int(n) % speaks.shape[1]) for n in flat]


def averaged(run: harness.Run, name: str) -> np.ndarray:
    """Mean effect of each head [layers, heads]."""
    return np.mean([r.values for r in run.reading(name).values()], axis=0)


def names(heads: list[tuple[int, int]]) -> list[str]:
    return [f"{l}.{h}" for l, h in heads]


def told(value: float, ends: Any) -> str:
    return f"{value:.2f}" + (f" [{ends.low:.2f}, {ends.high:.2f}]" if ends.low is not None else "")


def strongest(run: harness.Run, name: str) -> str:
    effects = averaged(run, name)
    return ", ".join(f"{l}.{h} {effects[l, h]:+.2f}" for l, h in run.circuit(name))


if __name__ == "__main__":
    main()

"""Learning rates of the zoo: the same small grid for every model, judged on draws that are never reported.

    python benchmarks/zoo_rates.py [--course mqar] [--steps 1000] [--device cuda] [--out FILE] [MODEL ...]

Every model learns as its recipe says, with each rate of `RATES`, for equally many steps, on the same batches. The loss
on `DRAWS` validation batches, which neither train nor examine, goes to results/zoo/rates.json by model and rate; the
rate with the least one belongs into `rates` of harness/zoo/recipes.yaml (tests/zoo/test_weights.py compares the two).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from harness.core.series import Course
from harness.plugins.registry import ROOT, Registry
from harness.runs.environment import hardware
from harness.zoo.denormals import flushed
from harness.zoo.graphs import AtOnce, loss, placed
from harness.zoo.network import Network
from harness.zoo.recipe import Recipe, names, recipe

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
VALIDATION, DRAWS = 3, 32
KEPT = ROOT / "results/zoo/rates.json"
IN_CONTEXT = ("linear", "piecewise", "classes")


def course_of(name: str) -> Course:
    task = Registry().get("task", "in_context" if name in IN_CONTEXT else "recall").build(data=name)
    return task.courses()[name]


@torch.no_grad()
def validated(network: Network, course: Course, batch: int, device: torch.device) -> float:
    """Mean loss on the validation draws."""
    network.eval()
    draws = (course.batch(np.random.default_rng([VALIDATION, 99, i]), batch) for i in range(DRAWS))
    return float(np.mean([loss(network, *placed(e, device)).item() for e in draws]))


def grid(how: Recipe, course: Course, device: torch.device) -> dict[str, float]:
    """Validation loss by rate."""
    with flushed():
        room = AtOnce(how, course, [(0, rate) for rate in RATES], device)
        room.learn()
        with device:
            found = [validated(room.trained(i), course, how.batch, device) for i in range(len(RATES))]
    return {f"{rate:g}": round(value, 4) for rate, value in zip(RATES, found, strict=True)}


def keep(out: Path, course: str, name: str, row: dict[str, object]) -> None:
    kept = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    kept.setdefault(course, {})[name] = row
    kept = {c: dict(sorted(of.items())) for c, of in sorted(kept.items())}
    out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--course", default="mqar")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=KEPT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    course, device = course_of(given.course), torch.device(given.device)
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else hardware()["cpu"]
    for name in given.models or names():
        how, began = recipe(name, given.course).changed({"steps": given.steps}), time.perf_counter()
        losses = grid(how, course, device)
        keep(given.out, given.course, name, {"steps": how.steps, "batch": how.batch, "device": machine, "loss": losses})
        print(f"{name} on {given.course}: {losses}, {time.perf_counter() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the checks of harness/steering/guard.py cost: passes under PAI with and without them, in turns, in one process.

python benchmarks/guard.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from harness.core import Call, Decoding, Picture, Request, Sample, user
from harness.plugins.registry import Registry
from harness.steering.guard import Guard

ROUNDS, QUESTIONS, TOKENS = 15, 16, 32
CHECKS = ("saw", "attended", "enter", "settle")


def main() -> None:
    torch.set_num_threads(1)
    registry = Registry()
    from harness.embedded.tiny_llava import WEIGHTS

    model = registry.models["tiny-llava"].build(path=str(WEIGHTS))
    method = registry.methods["pai"].build(alpha=0.2, gamma=1.0)
    model.load([method])
    grey = Picture(_png())
    calls = [
        Call(Request(user(grey, f"Describe part {i} of the image."), TOKENS), Sample(f"{i}", "0", "all", None), i)
        for i in range(QUESTIONS)
    ]

    def seconds() -> float:
        began = time.process_time()
        model.answer(calls, Decoding())
        return time.process_time() - began

    seconds()
    ratios = [seconds() / _without(seconds) for _ in range(ROUNDS)]
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    print(f"CPU time with checks / without: median {middle:.3f}, {low:.3f} to {high:.3f} in {ROUNDS} rounds")


def _without(play: Callable[[], float]) -> float:
    """The same with checks that check nothing."""
    kept: dict[str, Any] = {name: getattr(Guard, name) for name in CHECKS}
    try:
        for name in CHECKS:
            setattr(Guard, name, lambda *_: None)
        Guard.enter = lambda self, *_: setattr(self, "passes", self.passes + 1)
        return play()
    finally:
        for name, check in kept.items():
            setattr(Guard, name, check)


def _png() -> bytes:
    import io

    out = io.BytesIO()
    Image.new("RGB", (96, 96), (120, 120, 120)).save(out, "PNG")
    return out.getvalue()


if __name__ == "__main__":
    main()

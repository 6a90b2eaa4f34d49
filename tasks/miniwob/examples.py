"""Training examples of MiniWoB++: what the experts click, as points.

An episode is left where they type or drag, which a picture as small as the embedded model's cannot teach.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.core import Request, Sample
from harness.embedded.examples import Example, played
from harness.tasks.miniwob.actions import parse

FIRST_SEED = 1000
MIDDLE = """(bid) => { const b = document.querySelector(`[bid="${bid}"]`).getBoundingClientRect();
return [Math.round(b.x + b.width / 2), Math.round(b.y + b.height / 2)]; }"""
"""The middle of an element on the page."""


def examples(task: Any, each: int) -> Iterator[Example]:
    """`each` episodes of every page."""

    def point(sample: Sample, request: Request) -> str | None:
        action = parse(task.oracle(sample, request))
        if action.name == "mouse_click":
            x, y = action.values
            return f"mouse_click({float(x):.0f}, {float(y):.0f})"
        if action.name == "click":
            x, y = task.on_page(sample, MIDDLE, action.values[0])
            return f"mouse_click({x}, {y})"
        return None

    try:
        for i in range(each):
            for name in task.settings.tasks:
                sample = Sample(f"{name}.{FIRST_SEED + i}", name, name, None, {})
                for request, answer in played(task, sample, lambda r, s=sample: point(s, r)):
                    yield request, answer, f"miniwob {name}"
    finally:
        task.close()

"""Pictures that a run itself made, such as screenshots: `pictures/<digest>.<kind>` in its directory, each once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.core.errors import Unusable
from harness.core.types import Result, Step

FOLDER = "pictures"


def kept(run: Path, result: Result) -> Result:
    """The result with the pictures of its steps written below `run`; steps hold their names."""
    if result.outcome is None or not any(s.picture for s in result.outcome.steps):
        return result
    steps = tuple(_kept(run / FOLDER, s) for s in result.outcome.steps)
    return replace(result, outcome=replace(result.outcome, steps=steps))


def _kept(folder: Path, step: Step) -> Step:
    """A picture that no browser could show costs itself alone."""
    if step.picture is None:
        return step
    try:
        kind, data = step.picture.portable()
    except Unusable:
        return replace(step, picture=None)
    name = f"{step.picture.digest[:16]}.{kind.removeprefix('image/').replace('jpeg', 'jpg')}"
    path = folder / name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{name}")
        fresh.write_bytes(data)
        fresh.replace(path)
    return replace(step, picture=None, file=name)

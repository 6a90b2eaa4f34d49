"""Runs of models of the zoo, made by hand: three models, seeds, curves, and a vision-language model beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.leaderboard.made import run

STATE = {"softmax": 512, "based": 60, "window": 8}
"""Bytes of state a position (softmax), or in kilobytes a model: what the made models keep."""
GENERATED = {"tier": "generated", "positions": 64, "course": "mqar"}


def facts(mixer: str, seed: int, rate: float, course: str = "mqar") -> dict[str, Any]:
    """What a run of the zoo records of its model."""
    grid = (0, 1, 3, 10, 30, 100, 400)
    curve = [
        {"step": s, "seconds": s / 30, "scores": {"64x4": rate * s / 400, "64x8": rate * (s / 400) ** 2}} for s in grid
    ]
    kept = {str(n): STATE[mixer] * (n if mixer == "softmax" else 1024) for n in (64, 128)}
    made = {"seed": seed, "parameters": 37000, "cpu_seconds": 14.0 + seed, "steps": 400, "curve": curve}
    return {"mixer": mixer, "courses": {course: {**made, "name": mixer, "course": course, "state_bytes": kept}}}


def zoo_run(results: Path, mixer: str, seed: int, rate: float, **more: Any) -> str:
    """One run of a model of the zoo."""
    name = f"{mixer}-{seed}" if seed else mixer
    config = {
        "task": {"name": "recall", "data": "mqar"},
        "model": {"_target_": "harness.models.zoo.model.Zoo", "name": "zoo"},
        "overrides": [f"model.mixer={mixer}"],
    }
    told = {"model_facts": facts(mixer, seed, rate), "task_facts": GENERATED, "config": config}
    return run(results, "vanilla", rate, model=name, task="recall", data="mqar", **{**told, **more})


def zoo(results: Path) -> None:
    """softmax and based with three seeds, window with one; speeds; a vision-language model on a task of its own."""
    for seed in range(3):
        zoo_run(results, "softmax", seed, 0.97 + 0.002 * seed)
        zoo_run(results, "based", seed, 0.95 + 0.002 * seed)
    zoo_run(results, "window", 0, 0.3)
    run(results, "vanilla", 0.6, model="tiny")
    run(results, "vista", 0.75, model="tiny")
    rows = [
        {"model": m, "course": "mqar", "prefill": 1e5 / (i + 1), "decode": 900.0 * (i + 1)} for i, m in enumerate(STATE)
    ]
    (results / "zoo").mkdir(parents=True, exist_ok=True)
    (results / "zoo" / "speed.json").write_text(json.dumps({"rows": rows}))

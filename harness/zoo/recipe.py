"""How a model of the zoo is trained: recipes.yaml, and what a user says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import UsageError, nearest
from harness.zoo.mixer import find

FILE = Path(__file__).with_name("recipes.yaml")


@dataclass(frozen=True)
class Recipe:
    """All that decides what comes out of a training run, beside the course, the seed and the code.

    Args:
        name: Of the model that is made.
        shape: Keywords of `Shape`, `mixers` among them; the course adds what goes in and comes out. `width: same` is
            that of the course's vectors, which then go in as they are.
        steps, batch, rate, decay: Optimiser steps, examples a step, peak learning rate, weight decay.
        optimizer: adamw (warm-up and cosine) or sgd (a constant rate).
        examine: How many points the learning curve has, beside its start: on a geometric grid of steps.
    """

    name: str
    shape: dict[str, Any]
    steps: int = 400
    batch: int = 128
    rate: float = 3e-3
    decay: float = 0.1
    optimizer: str = "adamw"
    examine: int = 8

    def __post_init__(self) -> None:
        for key in ("steps", "batch", "examine", "rate", "decay"):
            value, whole = getattr(self, key), key not in ("rate", "decay")
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                raise UsageError(f"{key}={value} must be a {'whole ' if whole else ''}number")
        if self.optimizer not in ("adamw", "sgd"):
            raise UsageError(f"optimizer={self.optimizer} is unknown: choose adamw or sgd")
        if min(self.steps, self.batch, self.examine) < 1 or self.rate <= 0 or self.decay < 0:
            raise UsageError("steps, batch and examine must be at least 1, rate above 0, and decay at least 0")

    def changed(self, values: Mapping[str, Any]) -> Recipe:
        """With other values; `shape.KEY` and `mixer.OPTION` reach inside. Raises UsageError for an unknown one."""
        own = [f.name for f in fields(self) if f.name not in ("name", "shape")]
        plain = {k: v for k, v in values.items() if "." not in k}
        for key in plain:
            if key not in own:
                raise UsageError(f"unknown setting {key}: {nearest(key, own)}")
        shape = dict(self.shape)
        for key, value in values.items():
            group, dot, name = key.partition(".")
            if group == "shape" and dot:
                shape[name] = value
            elif group == "mixer" and dot:
                shape["mixers"] = [(mixer, {**options, name: value}) for mixer, options in shape["mixers"]]
            elif dot:
                raise UsageError(f"unknown setting {key}: write shape.{name} or mixer.{name}")
        return replace(self, shape=shape, **plain)


def recipe(name: str, course: str) -> Recipe:
    """The recipe of a committed model, or of a mixer of that name. A course with settings of its own (`classes-k64`)
    is learnt as the plain one. Raises UsageError for an unknown name."""
    raw = _read()
    course = course.partition("-")[0]
    if name not in raw["models"]:
        find(name)
    model = raw["models"].get(name) or {"mixers": [name]}
    common = {**raw["courses"]["default"], **(raw["courses"].get(course) or {})}
    if name in (chosen := raw["rates"].get(course) or {}):
        common["rate"] = chosen[name]
    special = raw["exceptions"].get(f"{name} {course}") or {}
    shape = {**raw["courses"]["default"]["shape"], **common.pop("shape", {}), **model, **special.get("shape", {})}
    shape["mixers"] = [_mixer(m) for m in shape["mixers"]]
    return Recipe(name, shape, **{**common, **{k: v for k, v in special.items() if k != "shape"}})


def names() -> list[str]:
    """The models that have a recipe."""
    return list(_read()["models"])


def _mixer(entry: Any) -> tuple[str, dict[str, Any]]:
    """`softmax`, or `{window: {window: 8}}`."""
    if isinstance(entry, str):
        return entry, {}
    ((name, options),) = entry.items()
    return name, dict(options or {})


@cache
def _read() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))

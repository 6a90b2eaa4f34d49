"""What the trainings of the zoo have in common: a shape from a recipe, the settings of the loop, the head of a card."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from harness.core.errors import UsageError, first_line, nearest
from harness.runs.files import write_json
from harness.training.loop import Settings, learning_rate
from harness.zoo.recipe import Recipe
from harness.zoo.trained import Trained

Network = TypeVar("Network")


def shaped(recipe: Recipe, shape: type, make: Callable[[dict[str, Any]], Network]) -> Network:
    """What `make` makes of the recipe's keywords of a shape. Raises UsageError for an unknown keyword, and for what the
    network refuses."""
    known = [f.name for f in fields(shape)]
    if unknown := next((k for k in recipe.shape if k not in known), ""):
        raise UsageError(f"unknown setting shape.{unknown}: {nearest(unknown, known)}")
    try:
        return make({**recipe.shape, "mixers": tuple(recipe.shape["mixers"])})
    except (TypeError, ValueError, RuntimeError) as e:
        raise UsageError(f"shape of {recipe.name}: {first_line(e)}") from e


def points(recipe: Recipe) -> list[int]:
    """Steps at which the learning curve has a point, the start among them."""
    return sorted({0, *np.geomspace(1, recipe.steps, recipe.examine).round().astype(int).tolist()})


def settings(
    recipe: Recipe,
    made: Trained,
    *,
    seconds: float = 0.0,
    marks: Collection[int] = (),
    checkpoint_every: float = 60.0,
    stop_after: int = 0,
    say: Callable[[str], None] | None = None,
) -> Settings:
    """Of the loop, in a folder beside the weights, by this process's CPU time.

    Args:
        seconds: To learn for, instead of the recipe's steps; 0: the steps.
        marks: Steps at which the curve has a point, where the steps are the recipe's.
        stop_after: Leave after so many steps without finishing, as a crash would (tests).

    Raises:
        UsageError: the folder's checkpoint is of another recipe.
    """
    folder = made.file.with_suffix(".training")
    folder.mkdir(parents=True, exist_ok=True)
    _same(folder, {**asdict(recipe), "seconds": seconds})
    constant = recipe.optimizer == "sgd"
    return Settings(
        folder,
        made.seed,
        recipe.batch,
        recipe.rate,
        checkpoint_every=checkpoint_every,
        log_every=seconds / recipe.examine if seconds else 1e9,
        clock=time.process_time,
        schedule=(lambda _: 1.0) if constant else learning_rate,
        optimizer=lambda groups: (
            torch.optim.SGD(groups, recipe.rate) if constant else torch.optim.AdamW(groups, recipe.rate, fused=True)
        ),
        marks=() if seconds else marks,
        counted="examples",
        say=say,
        stop_after=stop_after,
    )


def headed(recipe: Recipe, made: Trained) -> dict[str, Any]:
    """How the card of a model begins."""
    how = {k: v for k, v in asdict(recipe).items() if k != "name"}
    return {"name": recipe.name, "course": made.course, "seed": made.seed, "recipe": how}


def processor(device: torch.device) -> str:
    """What a card calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _same(folder: Path, recipe: dict[str, Any]) -> None:
    """What was begun by one recipe goes on by no other: its weights would pass for those of the other."""
    file = folder / "recipe.json"
    wanted = json.loads(json.dumps(recipe, default=str))
    if not file.exists():
        write_json(file, wanted)
    elif unlike := [k for k, v in json.loads(file.read_text(encoding="utf-8")).items() if wanted.get(k) != v]:
        raise UsageError(
            f"{folder} was trained with another {' and '.join(unlike)}: give another name (as=NAME) or folder "
            "(out=DIR), or delete it to train anew"
        )

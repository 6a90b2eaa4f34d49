"""Trains a model of the zoo on a course: one objective for the loop that trains all models of this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.core.series import NONE, Course, Examples
from harness.training.loop import Budget, train
from harness.zoo.curve import read_curve
from harness.zoo.denormals import flushed
from harness.zoo.network import Network, Shape
from harness.zoo.recipe import Recipe
from harness.zoo.trained import Trained
from harness.zoo.training import headed, points, settings, shaped

ROWS = 250
"""Examples of an exam that are read at once."""


class Learning:
    """Cross-entropy, or squared error, at the positions that have a target."""

    name = "learning"
    multiple = 1

    def __init__(self, network: Network, course: Course, recipe: Recipe):
        self.network, self.course, self.recipe = network, course, recipe
        self.modules = nn.ModuleDict({"network": network})
        self.exams = dict(course.exams())

    def groups(self) -> list[dict]:
        """Matrices with weight decay, vectors without."""
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.recipe.decay}, {"params": others, "weight_decay": 0.0}]
        return [{**g, "scale": 1.0} for g in groups if g["params"]]

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, dict[str, float]]:
        """Of a fresh batch, with the mixers' penalties."""
        said, wanted = asked(self.network, self.course.batch(rng, batch))
        loss = F.cross_entropy(said, wanted) if self.course.classes else F.mse_loss(said, wanted)
        return loss + sum(m.penalty() for m in self.network.mixers), {}

    def validate(self) -> dict[str, float]:
        """Scores on the held-out examples."""
        return scores(self.network, self.exams)


def asked(network: Network, examples: Examples) -> tuple[Tensor, Tensor]:
    """Predictions [m, classes] or [m] and targets [m] at the positions that have one."""
    device = network.lm_head.weight.device
    targets = torch.from_numpy(examples.targets).to(device)
    at = targets != NONE if network.shape.classes else ~targets.isnan()
    states = network.model(torch.from_numpy(examples.values).to(device))
    return network.read(states[at]), targets[at] if network.shape.classes else targets[at].float()


@torch.no_grad()
def scores(network: Network, exams: Mapping[str, Examples]) -> dict[str, float]:
    """By slice: the share of right symbols, or the mean squared error."""
    network.eval()
    found = {}
    for name, examples in exams.items():
        parts = []
        for start in range(0, len(examples), ROWS):
            some = Examples(examples.values[start : start + ROWS], examples.targets[start : start + ROWS])
            said, wanted = asked(network, some)
            parts.append((said.argmax(-1) == wanted).float() if network.shape.classes else (said - wanted) ** 2)
        found[name] = torch.cat(parts).mean().item()
    network.train()
    return found


def build(recipe: Recipe, course: Course, seed: int) -> Network:
    """A network with random weights. Raises UsageError for an unknown mixer, option or part of the shape."""
    torch.manual_seed(seed)

    def made(given: dict[str, Any]) -> Network:
        if given.get("width") == "same":
            given["width"] = course.width
        return Network(Shape(**given, symbols=course.symbols, vectors=course.width, classes=course.classes))

    return shaped(recipe, Shape, made)


@flushed()
def learn(
    recipe: Recipe,
    course: Course,
    name: str,
    seed: int,
    out: Path,
    *,
    seconds: float = 0.0,
    stop_after: int = 0,
    say: Callable[[str], None] | None = None,
    machine: str = "",
) -> Trained | None:
    """Train, and write what was trained below `out`; an interrupted run continues from its checkpoint.

    Args:
        name: Of the course.
        seconds: Of CPU time to learn for, instead of the recipe's steps; 0: the steps.
        stop_after: Leave after so many steps without finishing, as a crash would (tests).
        machine: The processor, for the card.

    Returns:
        None after `stop_after`.
    """
    made = Trained(out, recipe.name, name, seed)
    network = build(recipe, course, seed)
    objective = Learning(network, course, recipe)
    how = settings(
        recipe,
        made,
        seconds=seconds,
        marks=points(recipe),
        checkpoint_every=30.0,
        stop_after=stop_after,
        say=say,
    )
    budget = Budget(seconds) if seconds else Budget(steps=recipe.steps)
    if not train(objective, budget, how):
        return None
    curve = read_curve(how.directory / "log.jsonl", list(objective.exams))
    made.save(network, {})
    made.save(network, facts(recipe, course, made, curve, objective.exams, machine))
    return made


def facts(
    recipe: Recipe,
    course: Course,
    made: Trained,
    curve: list[dict[str, Any]],
    exams: Mapping[str, Examples],
    machine: str,
) -> dict[str, Any]:
    """What the card tells, of weights that are stored already."""
    network = made.load()
    return {
        **headed(recipe, made),
        "parameters": sum(p.numel() for p in network.parameters()),
        "cpu_seconds": curve[-1]["seconds"],
        "steps": curve[-1]["step"],
        "examples": curve[-1]["step"] * recipe.batch,
        "score": "accuracy" if course.classes else "squared error",
        "scores": {k: round(v, 4) for k, v in scores(network, exams).items()},
        "torch": torch.__version__.partition("+")[0],
        "device": machine,
        "curve": curve,
    }

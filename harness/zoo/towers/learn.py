"""Trains a tower on pictures, then each readout on its frozen states: objectives for the loop of all trainings."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.core.series import Course
from harness.stats.precision import mean_average_precision
from harness.training.loop import Budget, Settings, train
from harness.zoo.curve import read_curve
from harness.zoo.recipe import Recipe
from harness.zoo.towers.pictures import Pictures
from harness.zoo.towers.readouts import READOUTS
from harness.zoo.towers.tower import Shape, Tower
from harness.zoo.trained import Trained
from harness.zoo.training import headed, points, processor, settings, shaped

ROWS = 256
"""Pictures that are read at once where nothing is learnt."""
HIDDEN = 0.6
"""Share of patches that a masked tower fills in."""
EMPTY = 0.3
"""Weight of patches without an object, which are two in three."""
RATE, BATCH, STEPS = 3e-3, 256, 1000
"""Of the readouts, which learn for no more steps than their tower."""


def build(recipe: Recipe, course: Course, seed: int) -> Tower:
    """A tower with random weights. Raises UsageError for an unknown pattern, option or part of the shape."""
    torch.manual_seed(seed)
    return shaped(recipe, Shape, lambda given: Tower(Shape(**given, vectors=course.width, labels=course.labels)))


class Seeing:
    """From labels: what each patch shows (cross-entropy), and what the picture shows, by its class token."""

    name = "tower"
    multiple = 1

    def __init__(self, tower: Tower, course: Course, recipe: Recipe, device: torch.device):
        shape = tower.shape
        self.tower, self.recipe, self.classes = tower, recipe, course.classes
        heads = {"picture": nn.Linear(shape.width, shape.labels), "patch": nn.Linear(shape.width, course.classes)}
        if shape.masked:
            heads = {"patch": nn.Linear(shape.width, shape.vectors)}
        self.heads = nn.ModuleDict(heads)
        self.modules = nn.ModuleDict({"tower": tower, "heads": self.heads}).to(device)
        ((_, exam),) = course.exams().items()
        self.pool, self.exam = Pictures.of(course.pool(), device), Pictures.of(exam, device)

    def groups(self) -> list[dict]:
        learnt = [p for name, p in self.modules.named_parameters() if ".readouts." not in name]
        wide = [p for p in learnt if p.ndim > 1]
        return [
            {"params": wide, "weight_decay": self.recipe.decay, "scale": 1.0},
            {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0, "scale": 1.0},
        ]

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, dict[str, float]]:
        some = self.pool.drawn(rng, batch)
        values = some.values
        if self.tower.shape.masked:
            hidden = torch.from_numpy(rng.random(values.shape[:2]) < HIDDEN).to(values.device)
            return self._filled(values, hidden), {}
        states = self.tower(values)
        weight = torch.ones(self.classes, device=values.device)
        weight[-1] = EMPTY
        seen = F.cross_entropy(self.heads["patch"](states[:, 1:]).flatten(0, 1), some.shown.flatten(), weight=weight)
        return seen + F.binary_cross_entropy_with_logits(self.heads["picture"](states[:, 0]), some.labels), {}

    def _filled(self, values: Tensor, hidden: Tensor) -> Tensor:
        """Mean squared error of hidden patches, each normalised by its own mean and deviation, as in MAE."""
        wanted = F.layer_norm(values, values.shape[-1:])
        return F.mse_loss(self.heads["patch"](self.tower(values, hidden)[:, 1:])[hidden], wanted[hidden])

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """`picture`: mAP by the class token; `patch`: the share of patches with an object that are named right;
        `filled`, masked: the error of what is filled in."""
        if self.tower.shape.masked:
            values = self.exam.values
            hidden = np.random.default_rng(0).random(values.shape[:2]) < HIDDEN
            return {"filled": self._filled(values, torch.from_numpy(hidden).to(values.device)).item()}
        states = frozen(self.tower, self.exam)
        there = self.exam.shown != self.classes - 1
        right = self.heads["patch"](states[:, 1:]).argmax(-1) == self.exam.shown
        said = self.heads["picture"](states[:, 0])
        return {"picture": mean_precision(said, self.exam.labels), "patch": right[there].float().mean().item()}


class Reading:
    """One readout of fixed states: binary cross-entropy over the labels."""

    multiple = 1

    def __init__(self, name: str, tower: Tower, states: Tensor, labels: Tensor, exam: tuple[Tensor, Tensor]):
        self.name, self.head, self.states, self.labels, self.exam = name, tower.readouts[name], states, labels, exam
        self.modules = nn.ModuleDict({"head": self.head})

    def groups(self) -> list[dict]:
        return [{"params": list(self.head.parameters()), "weight_decay": 0.0, "scale": 1.0}]

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, dict[str, float]]:
        some = torch.from_numpy(rng.integers(len(self.states), size=batch)).to(self.states.device)
        return F.binary_cross_entropy_with_logits(self.head.train()(self.states[some]), self.labels[some]), {}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        states, labels = self.exam
        return {self.name: mean_precision(self.head.eval()(states), labels)}


def mean_precision(said: Tensor, labels: Tensor) -> float:
    return mean_average_precision(said.detach().cpu().numpy(), labels.cpu().numpy())


@torch.no_grad()
def frozen(tower: Tower, pictures: Pictures) -> Tensor:
    """States [n, 1 + N, D] of pictures, on the tower's device."""
    was = tower.training
    tower.eval()
    found = [tower(pictures[i : i + ROWS].values) for i in range(0, len(pictures), ROWS)]
    tower.train(was)
    return torch.cat(found)


def learn_tower(
    recipe: Recipe,
    course: Course,
    name: str,
    seed: int,
    out: Path,
    *,
    seconds: float = 0.0,
    stop_after: int = 0,
    say: Callable[[str], None] | None = None,
    device: str = "cpu",
) -> Trained | None:
    """As `harness.zoo.train.learn`, for a course of pictures."""
    made, on, began = Trained(out, recipe.name, name, seed), torch.device(device), time.perf_counter()
    tower = build(recipe, course, seed)
    objective = Seeing(tower, course, recipe, on)
    how = settings(recipe, made, seconds=seconds, marks=points(recipe), stop_after=stop_after, say=say)
    if not train(objective, Budget(seconds) if seconds else Budget(steps=recipe.steps), how):
        return None
    scores = read(tower, course, objective.exam, how.directory, seed, min(STEPS, recipe.steps), say)
    curve = read_curve(how.directory / "log.jsonl", ["picture", "patch", "filled"])
    facts = {
        **headed(recipe, made),
        "parameters": sum(p.numel() for n, p in tower.named_parameters() if not n.startswith("readouts.")),
        "readouts": {r: sum(p.numel() for p in tower.readouts[r].parameters()) for r in READOUTS},
        "visible_keys": round(tower.keys(), 2),
        "device": processor(on),
        "cpu_seconds": curve[-1]["seconds"],
        "seconds": round(time.perf_counter() - began, 1),
        "steps": curve[-1]["step"],
        "examples": curve[-1]["step"] * recipe.batch,
        "score": "mAP",
        "scores": {k: round(v, 4) for k, v in scores.items()},
        "torch": torch.__version__.partition("+")[0],
        "curve": curve,
    }
    made.save(tower.cpu(), facts)
    return made


def read(
    tower: Tower,
    course: Course,
    exam: Pictures,
    folder: Path,
    seed: int,
    steps: int,
    say: Callable[[str], None] | None,
) -> dict[str, float]:
    """Fit the readouts to pictures that the tower has not learnt from; mAP of each on the exam."""
    fresh, scores = Pictures.of(course.fresh(), exam.pixels.device), dict[str, float]()
    tower.requires_grad_(False)
    states, held = frozen(tower, fresh), (frozen(tower, exam), exam.labels)
    for name in READOUTS:
        tower.readouts[name].requires_grad_(True)
        objective = Reading(name, tower, states, fresh.labels, held)
        (folder / "readouts").mkdir(exist_ok=True)
        settings = Settings(folder / "readouts", seed, BATCH, RATE, log_every=1e9, clock=time.process_time, say=say)
        train(objective, Budget(steps=steps), settings)
        settle(objective)
        scores |= objective.validate()
    return scores


@torch.no_grad()
def settle(objective: Reading) -> None:
    """Normalise by all pictures that were learnt from, not by a running mean of batches."""
    pool, norm, _ = objective.head  # type: ignore[misc]
    z = torch.cat([pool(part) for part in objective.states.split(ROWS)])
    norm.running_mean, norm.running_var = z.mean(0), z.var(0, correction=0)

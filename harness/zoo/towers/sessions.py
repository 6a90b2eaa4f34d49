"""Trains a learner session after session on a frozen tower: one stage of the loop each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.series import Course
from harness.stats.precision import average_precision
from harness.training.loop import Budget, train
from harness.zoo.recipe import Recipe
from harness.zoo.towers.lanes import Learner, PromptSelect, Shape, digest, learner
from harness.zoo.towers.pictures import Pictures
from harness.zoo.trained import Trained, trained_tower
from harness.zoo.training import headed, processor, settings

KEYED, ROWS = 512, 256
"""Pictures of a session that make its key, and that are read at once."""


class Session:
    """What one session marks: its pictures are those that show one of its labels.

    Args:
        x: What is frozen of all pictures (`Learner.frozen`).
        labels: All that they show [n, labels].
    """

    multiple = 1

    def __init__(self, made: Learner, x: Tensor, labels: Tensor, session: int):
        self.name = f"session-{session}"
        self.learner, self.session, self.x, self.labels = made, session, x, labels
        self.modules = nn.ModuleDict({"learner": made})
        self.of = slice(None) if made.joint else made.of(session)
        self.rows = np.flatnonzero(labels[:, self.of].any(1).cpu().numpy())

    def groups(self) -> list[dict]:
        return [{"params": self.learner.learnt(self.session), "weight_decay": 0.0, "scale": 1.0}]

    def given(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, Tensor]:
        """What is frozen, and labels [n, labels] of which those of other sessions are 0."""
        some = torch.from_numpy(rng.choice(self.rows, batch)).to(self.x.device)
        marked = torch.zeros_like(self.labels[some])
        marked[:, self.of] = self.labels[some][:, self.of]
        return self.x[some], marked

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, dict[str, float]]:
        return self.learner.loss(*self.given(rng, batch), self.session), {}

    def validate(self) -> dict[str, float]:
        return {}


def learn_sessions(
    recipe: Recipe,
    course: Course,
    name: str,
    seed: int,
    out: Path,
    *,
    say: Callable[[str], None] | None = None,
    device: str = "cpu",
) -> Trained:
    """Train and write below `out`; `recipe.steps` are those of each session. An interrupted run continues from its
    last session."""
    made, on = Trained(out, recipe.name, name, seed), torch.device(device)
    began, cpu = time.perf_counter(), time.process_time()
    tower = trained_tower(out, seed).load()
    torch.manual_seed(seed)
    known = {"name": "dense", "seed": seed, "digest": digest(tower)}
    shape = Shape(tuple(recipe.shape["mixers"]), course.sessions, course.labels, known, course.width)
    net = learner(shape, tower).to(on)
    tower.to(on)
    sessions = range(1) if net.joint else range(course.sessions)
    steps, curve = recipe.steps * (course.sessions if net.joint else 1), list[dict[str, Any]]()
    pool = Pictures.of(course.pool(), on)
    ((_, held),) = course.exams().items()
    exam = Pictures.of(held, on)
    x = torch.cat([net.frozen(pool[i : i + ROWS].values) for i in range(0, len(pool), ROWS)])
    for t in sessions:
        objective = Session(net, x, pool.labels, t)
        net.begin(t)
        if isinstance(net, PromptSelect):
            net.keyed(objective.given(np.random.default_rng((seed, t)), KEYED)[0], t)
        train(objective, Budget(steps=steps), settings(recipe, made))
        for behind in range(course.sessions) if net.joint else (t,):
            net.end(behind)
        labels = slice(0, course.labels if net.joint else net.of(t).stop)
        seen = float(np.nanmean(precisions(net, exam)[t, labels]))
        point = {"step": (t + 1) * steps, "seconds": round(time.process_time() - cpu, 1), "scores": {"seen": seen}}
        curve.append(point)
        if say:
            say(json.dumps({"step": point["step"], "seen": round(seen, 4), "minutes": point["seconds"] / 60}))
    every = precisions(net, exam)
    facts = {
        **headed(recipe, made),
        "tower": known,
        "parameters": net.size(),
        "device": processor(on),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "steps": steps * len(sessions),
        "examples": steps * len(sessions) * recipe.batch,
        "score": "mAP",
        "scores": summary(every, net),
        "torch": torch.__version__.partition("+")[0],
        "curve": curve,
    }
    made.save(net.cpu(), facts)
    return made


@torch.no_grad()
def precisions(net: Learner, exam: Pictures) -> np.ndarray:
    """[L, labels]: average precision of each label after each session; NaN where no picture shows it."""
    said = torch.cat([net.answers(exam[i : i + ROWS].values) for i in range(0, len(exam), ROWS)]).cpu().numpy()
    table = said.reshape(len(exam), net.shape.sessions, net.shape.labels)
    return average_precision(table.transpose(1, 2, 0), exam.labels.cpu().numpy().T[None])


def summary(found: np.ndarray, net: Learner) -> dict[str, float]:
    """`average` and `last`: mAP of the labels so far, as a mean over sessions and after the last."""
    by = [float(np.nanmean(found[t][: net.of(t).stop])) for t in range(len(found))]
    return {"average": round(float(np.mean(by)), 4), "last": round(by[-1], 4)}

"""The committed models: what their cards say is what they do, and what made them is what the recipes say."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch
import yaml

from harness.core.series import Course, Examples
from harness.plugins.registry import ROOT, Registry
from harness.zoo import card
from harness.zoo.denormals import flushed
from harness.zoo.recipe import FILE, names, recipe
from harness.zoo.towers.learn import frozen, mean_precision
from harness.zoo.towers.pictures import Pictures
from harness.zoo.towers.readouts import READOUTS
from harness.zoo.towers.sessions import precisions, summary
from harness.zoo.towers.tower import Tower
from harness.zoo.train import learn, scores
from harness.zoo.trained import COMMITTED

EVERY = list(card.every())
ALL, SEEING = ([t for t in EVERY if t.sees == sees] for sees in (False, True))
TASKS = {"linear": "in_context", "piecewise": "in_context", "classes": "in_context"}
TASKS |= {"scenes": "scenes", "increments": "increments"}
OWN = {"k64": [("classes", 64)]}
"""Settings of the task that are in a course's name."""
FEW = 32
LARGEST = 400_000


@cache
def course(name: str) -> Course:
    """The course of that name, from its task."""
    data, *own = name.split("-")
    task = Registry().get("task", TASKS.get(data, "recall")).build(data=data, **{k: v for o in own for k, v in OWN[o]})
    return task.courses()[name]


@pytest.mark.parametrize("trained", ALL, ids=lambda t: f"{t.name}-{t.course}-{t.seed}")
@flushed()
def test_a_committed_model_does_what_its_card_says(trained):
    facts, network = trained.facts, trained.load()
    assert trained.file.stat().st_size <= LARGEST
    assert (facts["name"], facts["course"], facts["seed"]) == (trained.name, trained.course, trained.seed)
    exams = {k: Examples(e.values[:FEW], e.targets[:FEW]) for k, e in course(trained.course).exams().items()}
    for name, found in scores(network, exams).items():
        asked = exams[name].targets[np.isfinite(exams[name].targets) & (exams[name].targets != -100)].size
        said = facts["scores"][name]
        margin = 4 * np.sqrt(max(said * (1 - said), 0.01) / asked) if facts["score"] == "accuracy" else said
        assert abs(found - said) <= margin, (name, found, said)
    values = torch.from_numpy(next(iter(exams.values())).values[:2])
    with torch.no_grad():
        whole, state, out = network.eval()(values), network.start(2), []
        for t in range(values.shape[1]):
            one, state = network.step(values[:, t], state)
            out.append(one)
    assert torch.allclose(torch.stack(out, 1), whole, atol=2e-3, rtol=1e-3), "recurrent decoding equals parallel"


@cache
def exam(name: str) -> Pictures:
    """The held-out pictures of a course."""
    ((_, held),) = course(name).exams().items()
    return Pictures.of(held, torch.device("cpu"))


def precision_of_readouts(tower: Tower, held: Pictures) -> dict[str, float]:
    """mAP of each on held-out pictures."""
    states = frozen(tower, held)
    with torch.no_grad():
        return {r: mean_precision(tower.readouts[r](states), held.labels) for r in READOUTS}


@pytest.mark.parametrize("trained", SEEING, ids=lambda t: f"{t.name}-{t.course}-{t.seed}")
def test_a_committed_tower_does_what_its_card_says(trained):
    facts, net = trained.facts, trained.load()
    assert trained.file.stat().st_size <= LARGEST
    assert (facts["name"], facts["course"], facts["seed"]) == (trained.name, trained.course, trained.seed)
    assert facts["device"] and len(facts["curve"]) >= (1 if trained.name == "joint" else 6)
    if trained.seed == 0:
        held = exam(trained.course)
        increments = trained.course == "increments"
        found = summary(precisions(net, held), net) if increments else precision_of_readouts(net, held)
        assert found == pytest.approx(facts["scores"], abs=0.01)


@pytest.mark.parametrize("trained", [t for t in EVERY if t.seed == 0], ids=lambda t: f"{t.name}-{t.course}")
def test_recipes_say_what_was_done(trained):
    made = recipe(trained.name, trained.course)
    said = trained.facts["recipe"]
    for key in ("steps", "batch", "rate", "decay", "optimizer"):
        assert said[key] == getattr(made, key), key
    assert json.loads(json.dumps(made.shape)) == said["shape"]


def test_the_card_and_the_list_are_true():
    assert card.written(card.README.read_text()) == card.README.read_text(), "run python -m harness.zoo.card"
    assert {t.name for t in EVERY} <= set(names())
    assert sum(t.facts["cpu_seconds"] for t in EVERY) < 2 * 3600
    assert {p.name for p in COMMITTED.iterdir()} == {t.name for t in EVERY}


@pytest.mark.slow
def test_a_model_trained_anew_reaches_its_card(tmp_path):
    made = learn(recipe("softmax", "mqar"), course("mqar"), "mqar", 0, tmp_path)
    (known,) = [t for t in ALL if (t.name, t.course, t.seed) == ("softmax", "mqar", 0)]
    assert made and made.facts["scores"] == pytest.approx(known.facts["scores"], abs=0.02)


def test_models_of_a_course_learn_equally_long_at_the_best_rate_of_one_grid():
    """But for those that the recipes name as exceptions."""
    kept = json.loads((ROOT / "results/zoo/rates.json").read_text())
    others = yaml.safe_load(FILE.read_text())["exceptions"]
    for trained in ALL:
        how, usual = recipe(trained.name, trained.course), recipe("softmax", trained.course)
        if "steps" not in others.get(f"{trained.name} {trained.course}", {}):
            assert (how.steps, how.batch) == (usual.steps, usual.batch), trained.name
    for course_name, of in kept.items():
        assert len({(row["steps"], *row["loss"]) for row in of.values()}) == 1, "one grid for all"
        for name, row in of.items():
            if "rate" not in others.get(f"{name} {course_name}", {}):
                assert recipe(name, course_name).rate == float(min(row["loss"], key=row["loss"].__getitem__)), name

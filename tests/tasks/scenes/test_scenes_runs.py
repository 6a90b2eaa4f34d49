"""Runs of scenes: the key ranks every picture perfectly, chance does not, and what cannot be read counts as wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.cli import main
from harness.embedded.scenes import NAMES
from harness.tasks.scenes.scoring import judged
from tests.tasks.measured import metrics


@pytest.mark.parametrize("model", ["oracle", "chance"])
def test_the_key_and_chance(workdir, model):
    assert main(["eval", "task=scenes", "task.samples=24", "logger=quiet", f"model={model}"]) == 0
    found = metrics(workdir)
    assert {g for name, g in found if name == "precision"} <= {"all", "few", "some", "many"}
    assert found["unread", "all"] == 0
    values = [found[name, "all"] for name in ("precision", "map", "f1")]
    assert values == [1, 1, 1] if model == "oracle" else max(values) < 0.4


def test_precision_is_that_of_the_ranking():
    told = np.zeros(len(NAMES))
    told[[3, 5, 7]] = 3, 2, 1  # right, wrong, right: precisions 1 and 2/3
    outcome = judged(json.dumps(told.tolist()), [3, 7], NAMES, {})
    assert outcome.scores is not None and outcome.scores["precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert (outcome.scores["found"], outcome.scores["said"], outcome.scores["shown"]) == (2, 3, 2)


@pytest.mark.parametrize("answer", ["", "[1, 2]", "yes"])
def test_what_cannot_be_read_is_wrong(answer):
    scores = judged(answer, [3], NAMES, {}).scores
    assert scores is not None and (scores["precision"], scores["unread"], scores["shown"]) == (0, 1, 1)

"""Runs of in-context learning: levels, names of courses, and settings that do not go together."""

from __future__ import annotations

import pytest

from harness.cli import main
from harness.core import UsageError
from harness.plugins.registry import Registry
from tests.tasks.measured import metrics
from tests.tasks.settings import settings_of


def test_the_key_of_regression_is_the_posterior_mean(workdir):
    words = ["eval", "task=in_context", "task.samples=300", "task.examples=[20,40]", "logger=quiet"]
    assert main([*words, "model=oracle"]) == 0
    found = metrics(workdir)
    assert found["mse", "all"] == pytest.approx(found["mse_bayes", "all"], abs=1e-6)
    assert found["gap_closed", "all"] == pytest.approx(1, abs=1e-6) and abs(found["excess", "all"]) < 1e-6
    assert found["mse", "20 examples"] > found["mse", "40 examples"] > 0.08


def test_chance_of_regression_says_zero_and_of_classes_any_label(workdir):
    words = ["eval", "task=in_context", "model=chance", "task.samples=400", "logger=quiet"]
    assert main(words) == 0
    found = metrics(workdir)
    assert found["mse", "all"] == found["mse_zero", "all"] and found["gap_closed", "all"] == 0


def test_sets_of_classes(workdir):
    words = ["eval", "task=in_context", "task.data=classes", "model=chance", "task.samples=600", "logger=quiet"]
    assert main(words) == 0
    found = metrics(workdir)
    assert {n for n, _ in found if n.startswith("acc_")} == {"acc_ic", "acc_ic2", "acc_iw", "acc_train"}
    assert found["acc_ic", "all"] == pytest.approx(1 / 16, abs=0.03) and found["copy", "all"] == 0.25


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "linear"),
        ({"dimension": 8}, "linear-d8"),
        ({"data": "piecewise", "noise": 0.5}, "piecewise-s0.5"),
        ({"data": "classes"}, "classes"),
        ({"data": "classes", "classes": 64, "burst": 1, "zipf": 1.0}, "classes-k64-b1-z1"),
        ({"examples": [20, 80], "samples": 3, "seed": 5}, "linear"),
    ],
)
def test_a_course_is_named_by_what_it_teaches(changes, name):
    task = Registry().tasks["in_context"].build(**changes)
    assert list(task.courses()) == [name]


def test_longer_problems_are_not_another_course():
    task = Registry().tasks["in_context"].build(examples=[20, 160], samples=2)
    lengths = [len(s.data["values"]) for s in task.samples()]
    assert lengths == [21, 21, 161, 161] and next(iter(task.courses().values())).length == 40


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "classes", "burst": 3}, "task.items=8 must be a multiple of task.burst=3"),
        ({"data": "classes", "classes": 100}, "task.classes=100 must be a multiple of task.labels=16"),
        ({"data": "classes", "labels": 4, "classes": 64}, "task.labels=4 are too few"),
        ({"data": "classes", "examples": 20}, "task.examples is for regression"),
        ({"examples": 2}, "give whole numbers of examples, 4 or more"),
        ({"data": "cubic"}, "task.data=cubic is unknown"),
    ],
)
def test_settings_that_do_not_go_together(changes, words):
    with pytest.raises(UsageError) as e:
        settings_of("in_context", **changes)
    assert words in str(e.value) and "\n" not in str(e.value)

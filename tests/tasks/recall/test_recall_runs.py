"""Runs of recall: the key is right about everything, chance about few, and what cannot be read is wrong."""

from __future__ import annotations

import pytest

from harness.cli import main
from harness.core import Reply
from harness.core.series import said
from harness.plugins.registry import Registry
from tests.tasks.measured import metrics


def test_the_key_and_chance(workdir):
    words = ["eval", "task=recall", "task.samples=40", "logger=quiet"]
    assert main([*words, "model=oracle"]) == 0
    found = metrics(workdir)
    groups = {"all", "64x4", "64x8", "64x16"}
    assert {g for name, g in found if name == "accuracy"} == groups
    assert all(found[name, g] == 1 for name in ("accuracy", "whole") for g in groups) and found["unread", "all"] == 0


def test_chance_lies_at_one_over_the_answers(workdir):
    words = ["eval", "task=recall", "task.data=tracking", "task.slices=32x3", "task.samples=200", "logger=quiet"]
    assert main([*words, "model=chance"]) == 0
    assert metrics(workdir)["accuracy", "all"] == pytest.approx(1 / 6, abs=0.03)


@pytest.mark.parametrize(("reply", "scores"), [("[1]", (0, 0, 1)), ("", (0, 0, 1)), ("[NaN, 1, 1, 1]", (0, 0, 1))])
def test_what_cannot_be_read_is_wrong(reply, scores):
    task = Registry().tasks["recall"].build(samples=1, slices="64x4")
    (sample,) = task.samples()
    play = task.episode(sample)
    request = next(play)
    assert request.series.course == "mqar" and len(request.series.at) == 4
    with pytest.raises(StopIteration) as end:
        play.send(Reply(reply))
    outcome = end.value.value
    assert tuple(outcome.scores.values()) == scores and outcome.verdict is None


def test_half_of_the_places():
    task = Registry().tasks["recall"].build(samples=1, slices="64x4")
    (sample,) = task.samples()
    play = task.episode(sample)
    next(play)
    with pytest.raises(StopIteration) as end:
        play.send(Reply(said([*sample.target[:2], 0, 0])))
    assert end.value.value.scores == {"correct": 0.5, "whole": 0.0, "unread": 0.0}

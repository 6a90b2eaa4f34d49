"""Which way a score is up, when a sample is right, and which score a run is judged by."""

from __future__ import annotations

import pytest

from harness.core import HarnessError, Metric, Outcome, Result, Score, Task
from harness.core.score import common, judged, meanings, occurring

UP, DOWN, NEITHER = Score("s"), Score("s", higher_is_better=False), Score("s", higher_is_better=None)
RATIO_UP, RATIO_DOWN = Score("hit/there"), Score("bad/named", higher_is_better=False)


@pytest.mark.parametrize(
    ("score", "given", "right"),
    [
        (UP, {"s": 1.0}, True),
        (UP, {"s": 0.5}, False),
        (UP, {"other": 1.0}, None),
        (DOWN, {"s": 0.0}, True),
        (DOWN, {"s": 2.0}, False),
        (NEITHER, {"s": 1.0}, None),
        (RATIO_UP, {"hit": 2.0, "there": 2.0}, True),
        (RATIO_UP, {"hit": 1.0, "there": 2.0}, False),
        (RATIO_UP, {"hit": 0.0, "there": 0.0}, None),
        (RATIO_DOWN, {"bad": 0.0, "named": 3.0}, True),
        (RATIO_DOWN, {"bad": 1.0, "named": 3.0}, False),
    ],
)
def test_a_sample_is_right_by_the_scores_direction(score, given, right):
    assert score.right(given) is right


def test_the_declared_primary_score_judges():
    declared = [Score("a"), Score("b/c", higher_is_better=False, primary=True)]
    assert judged(declared, [], ["a", "b", "c"]) == Score("b/c", higher_is_better=False, primary=True)


@pytest.mark.parametrize(
    ("metric", "names", "found"),
    [
        (
            Metric("c", 0, primary=True, higher_is_better=False, score="bad/named"),
            ["x", "bad", "named"],
            "bad/named",
        ),
        (Metric("acc_norm", 0, primary=True), ["acc", "acc_norm"], "acc_norm"),
        (Metric("accuracy", 0, primary=True), ["correct", "unparsed"], "correct"),
    ],
)
def test_a_run_that_declares_nothing_is_judged_by_its_primary_metric(metric, names, found):
    score = judged((), [metric], names)
    assert score.name == found and score.higher_is_better == metric.higher_is_better


def test_another_score_keeps_its_own_direction():
    """The primary metric is made of no score, and the first score is another metric's."""
    metrics = [Metric("perplexity", 9, primary=True, higher_is_better=False), Metric("acc", 0.5)]
    assert judged((), metrics, ["acc"]).higher_is_better is True
    assert judged((), [Metric("x", 0, primary=True, higher_is_better=None)], ["x"]).higher_is_better is True


def test_what_metrics_say_fills_in_what_is_not_declared():
    found = meanings([NEITHER], [Metric("s", 0), Metric("empty", 0, higher_is_better=False)])
    assert found["s"] == NEITHER and found["empty"].sign == -1


def test_names_in_common_and_all():
    rows = [Result(names, "", "", None, Outcome("", dict.fromkeys(names, 1.0))) for names in ("ab", "ca")]
    assert common(rows) == ["a"] and occurring(rows) == ["a", "b", "c"] and common([]) == []


class Judged(Task):
    """Its `aggregate` gives what the test wants."""

    name = "judged"
    scores = (Score("right", primary=True), Score("long", higher_is_better=False))

    def __init__(self, *found):
        self.found = found

    def samples(self):
        return []

    def episode(self, sample):
        raise NotImplementedError

    def aggregate(self, results):
        return list(self.found)

    def fingerprint(self):
        return ""


def test_the_primary_metric_is_bound_to_the_primary_score():
    (metric,) = Judged(Metric("accuracy", 1.0, primary=True)).metrics([])
    assert metric.score == "right"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([Metric("a", 0, primary=True), Metric("b", 0, primary=True)], "marks 2 metrics as primary"),
        ([Metric("a", 0, primary=True, score="long", higher_is_better=False)], "made of long, not of right"),
        ([Metric("a", 0, primary=True, higher_is_better=False)], "another direction than its score right"),
        ([Metric("long", 0)], "another direction than its score long"),
        ([Metric("f1", 0, primary=True)], "its YAML has primary: accuracy"),
    ],
)
def test_metrics_that_contradict_the_declaration(found, says):
    task = Judged(*found)
    task.primary = "accuracy" if found[0].name == "f1" else ""
    with pytest.raises(HarnessError, match=says):
        task.metrics([])

"""What methods measure becomes scores of the samples: journaled, counted, and kept where answers are scored anew."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.core import Decoding
from harness.engine.conclusion import measured
from harness.engine.rescoring import again
from harness.engine.schedule import Scheduler
from harness.runs.journal import decode, encode
from tests.engine.toys import Adder, Sums


class Measuring(Adder):
    """As if a method kept half of a first answer's entries, and all of a later one's."""

    name = "measuring"
    label = "kept_share"

    def answer(self, calls, decoding):
        self.asked = getattr(self, "asked", 0) + len(calls)
        share = 0.5 if self.asked <= 12 else 1.0
        return [replace(r, measures={self.label: share}) for r in super().answer(calls, decoding)]


def played(turns=1, label="kept_share"):
    model, task, results = Measuring(), Sums(12, turns), []
    model.label = label
    Scheduler(task, model, (), Decoding(), seed=0, rows=None, report=results.extend).run(list(task.samples()))
    return task, results


def test_they_are_scores_with_an_interval_and_outlive_the_journal():
    task, results = played()
    rows = [decode(json.loads(encode(r))) for r in results]
    assert rows == results
    assert all(r.outcome.scores["kept_share"] == 0.5 and r.measures == ("kept_share",) for r in rows)
    for sample, row in zip(task.samples(), rows, strict=True):
        assert again(task, sample, row) == row, "scored anew, the measure stays"
    (metric,) = measured(rows)
    assert (metric.name, metric.value, metric.higher_is_better, metric.n) == ("kept_share", 0.5, None, 12)
    assert not metric.primary
    (metric,) = measured([replace(r, cluster=r.id) for r in rows])
    assert metric.low == metric.high == 0.5
    assert measured([replace(r, measures=()) for r in rows]) == []


def test_several_replies_give_their_mean():
    assert {r.outcome.scores["kept_share"] for r in played(turns=2)[1]} == {0.75}


def test_a_name_of_the_tasks_own_costs_the_row():
    _, results = played(label="correct")
    assert all(r.outcome is None for r in results)
    assert results[0].error["message"] == "score correct is the task's own, and a method measures one of that name"


@pytest.mark.parametrize("value", [2.0, -1.0])
def test_measures_beyond_a_share_have_no_bounds(value):
    _, results = played()
    rows = [
        replace(r, cluster=r.id, outcome=replace(r.outcome, scores={"kept_share": value + i}))
        for i, r in enumerate(results)
    ]
    (metric,) = measured(rows)
    assert metric.low < metric.value < metric.high

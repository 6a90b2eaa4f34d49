"""What becomes of a peer's per-document metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.core import Outcome, Result
from harness.interop.scoring import metrics, named, split


def results(values, name="score"):
    rows = []
    for i, value in enumerate(values):
        scores, others = split({name: value})
        rows.append(Result(str(i), f"c{i}", "t", None, Outcome("", scores, None, {"values": others})))
    return rows


def test_numbers_are_scores_and_the_rest_is_kept():
    scores, values = split({"a": True, "b": np.float32(0.5), "c": (1, "x"), "d": {"gold": np.array([1])}})
    assert scores == {"a": 1.0, "b": 0.5} and values == {"c": [1, "x"], "d": {"gold": [1]}}


def test_a_mean_by_any_name_has_the_interval_of_a_proportion():
    rows = results([1.0] * 15 + [0.0] * 5)
    (by_name,) = metrics(rows, ["score"], {}, {"score": True})
    (by_deed,) = metrics(rows, ["score"], {"score": lambda x: sum(x) / len(x)}, {"score": True})
    assert by_name == by_deed and by_name.value == 0.75 and 0 < by_name.low < 0.75 < by_name.high < 1


def test_other_aggregations_are_jackknifed_and_shares_end_at_one():
    rows = results([{"said": i % 10 > 0, "wanted": True} for i in range(60)])
    recall = lambda items: sum(i["said"] for i in items) / len(items)  # noqa: E731
    (found,) = metrics(rows, ["score"], {"score": recall}, {"score": True}, primary="score")
    assert found.primary and found.value == pytest.approx(0.9) and found.high <= 1
    p = 0.9
    assert found.stderr == pytest.approx(math.sqrt(p * (1 - p) / 60), rel=0.25)


def test_an_aggregation_that_fails_costs_its_own_metric():
    rows = results([{"x": 1}] * 20)

    def broken(items):
        raise ValueError("two classes are needed")

    (found,) = metrics(rows, ["score"], {"score": broken}, {})
    assert math.isnan(found.value) and "two classes are needed" in found.note and found.low is None


def test_names_come_in_order_of_appearance():
    rows = [*results([1.0], "b"), *results([(1, 2)], "a")]
    assert named(rows) == ["b", "a"]

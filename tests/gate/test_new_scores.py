"""A score that a task has got since a baseline was made is no difference; any other score is."""

from __future__ import annotations

from harness.comparison.pairing import Pairs
from harness.core.types import Outcome, Result


def rows(*scores: dict[str, float], answer: str = "yes") -> list[Result]:
    return [Result(str(i), "c", "g", "yes", Outcome(answer, s)) for i, s in enumerate(scores)]


def test_a_new_score_is_no_difference():
    old = rows({"correct": 1.0}, {"correct": 0.0})
    assert Pairs(old, rows({"correct": 1.0, "doubtful": 0.0}, {"correct": 0.0, "doubtful": 1.0}), 0).identical
    assert not Pairs(old, rows({"correct": 1.0, "doubtful": 0.0}, {"correct": 1.0, "doubtful": 1.0}), 0).identical
    assert not Pairs(old, rows({"correct": 1.0}, {"correct": 0.0}, answer="no"), 0).identical


def test_a_score_that_some_samples_lack_is_one():
    assert not Pairs(rows({"a": 1.0}, {"a": 1.0, "b": 1.0}), rows({"a": 1.0, "b": 1.0}, {"a": 1.0}), 0).identical

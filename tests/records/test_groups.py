"""No group of a user's data has the name of all samples together."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from harness.core import Outcome, Result
from harness.records.grouped import grouped
from harness.records.groups import told_apart
from tests.records.test_task import asked


@dataclass(frozen=True)
class Row:
    group: str


@pytest.mark.parametrize(
    ("groups", "called"),
    [
        (["", ""], ["all", "all"]),
        (["all", "all"], ["all", "all"]),
        (["a", "b"], ["a", "b"]),
        (["", "a"], ["no group", "a"]),
        (["all", "a", ""], ["group all", "a", "no group"]),
        ([], []),
    ],
)
def test_groups_are_told_apart_from_all(groups, called):
    assert [r.group for r in told_apart([Row(g) for g in groups])] == called


def test_rows_of_ones_own_task(tmp_path):
    rows = [{"question": "?", "answer": "a", "category": c} for c in (None, "all", 0, "x")]
    task = asked(tmp_path, [*rows, {"question": "?", "answer": "a"}, "{broken"])
    assert [s.group for s in task.samples()] == ["no group", "group all", "0", "x", "no group", "no group"]


def test_rows_without_groups_are_the_records_that_they_were(tmp_path):
    task = asked(tmp_path, [{"question": "?", "answer": "a"}, {"question": "?"}, "{broken"])
    assert {s.group for s in task.samples()} == {"all"} and task.source.digest.startswith("3390bc0c9ec5ffe9")


def test_one_group_called_all_is_the_whole():
    results = [Result(str(i), str(i), "all", None, Outcome("", {"correct": 1.0})) for i in range(3)]
    assert [(m.group, m.primary, m.n) for m in grouped(results, "correct")] == [("all", True, 3)]

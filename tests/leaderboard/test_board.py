"""Which of a method's runs a ranking shows."""

from __future__ import annotations

import pytest

from harness.leaderboard.board import BoardEntry, boards, dated


def entry(run, method="vista", code="1", lam=0.05, **row):
    identity = {
        "task": {"fingerprint": "f", "code": f"scores {code}"},
        "methods": [{"name": method, "values": {"lam": lam}, "calibration": code}],
        "model": {"fingerprint": "w"}, "code": code, "answers": code, "packages": {"torch": code},
    }  # fmt: skip
    facts = {"run": run, "task": "pope", "data": "embedded", "task_version": "1", "limit": None, "model": "tiny-llava"}
    facts |= {
        "method": method,
        "status": "done",
        "samples": 9,
        "done": 9,
        "errors": 0,
        "value": 0.5,
        "metric": "accuracy",
    }
    return BoardEntry(
        {**facts, "task_facts": {}, "higher_is_better": True, "config": {}, "identity": identity, **row}, []
    )


def ranked(*found):
    (board,) = boards(dated(found))
    return [e.run for e in board.ranked]


def test_a_method_is_ranked_by_its_newest_code():
    found = dated([entry("old"), entry("new", code="2"), entry("other", lam=0.1), entry("plain", method="vanilla")])
    (board,) = boards(found)
    assert [e.run for e in board.ranked] == ["new", "other", "plain"]
    assert [(e.run, e.flaws) for e in board.entries if e.flaws] == [("old", ["earlier code"])]


@pytest.mark.parametrize("broken", [{"status": "failed"}, {"errors": 5}, {"value": None}])
def test_a_broken_run_replaces_none(broken):
    assert ranked(entry("old"), entry("new", code="2", **broken)) == ["old"]


def test_runs_that_do_not_tell_their_code_replace_none():
    assert ranked(entry("a", identity={}), entry("b", identity=None)) == ["a", "b"]


def test_a_draw_is_named_by_the_samples_it_holds():
    """Whole clusters: limits of 1 and 18 both take the one cluster of 18."""
    small, same = entry("a", limit=1, samples=18), entry("b", method="vanilla", limit=18, samples=18)
    large, whole = entry("c", limit=40, samples=36), entry("d", samples=3600)
    made = boards([small, same, large, whole])
    assert [(b.name, b.slug, [e.run for e in b.entries]) for b in made] == [
        ("pope / embedded", "pope-embedded", ["d"]),
        ("pope / embedded, 18 samples", "pope-embedded-18", ["a", "b"]),
        ("pope / embedded, 36 samples", "pope-embedded-36", ["c"]),
    ]

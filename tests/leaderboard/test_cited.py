"""Published figures beside measured ones."""

from __future__ import annotations

import pytest

from harness.leaderboard.board import BoardEntry
from harness.leaderboard.cited import tables, verdict
from harness.leaderboard.published import Figure

STATED = Figure("pope", "coco", "all", "accuracy", "vanilla", "LLaVA-1.5-7B", 0.8, "greedy", "A paper", "")


def entry(**changes) -> BoardEntry:
    row = {
        "run": "r",
        "task": "pope",
        "data": "coco",
        "model": "llava-1.5-7b",
        "method": "vanilla",
        "status": "done",
        "samples": 9000,
        "done": 9000,
        "errors": 0,
        "limit": None,
        "identity": {},
        "value": 0.81,
        "config": {},
        "decoding": {"strategy": "greedy", "num_beams": 1, "max_new_tokens": 512},
        "task_facts": {},
        "new_tokens": 300.0,
    } | changes
    return BoardEntry(row, [{"name": "accuracy", "group": "all", "value": 0.81, "low": 0.79, "high": 0.83}])


def stated(**changes) -> Figure:
    return Figure(**{**STATED.__dict__, **changes})


@pytest.mark.parametrize(
    ("figure", "run", "word", "why"),
    [
        (STATED, {}, "agrees", "in [0.790, 0.830]"),
        (stated(value=0.85), {}, "differs", "outside of"),
        (STATED, {"limit": 36, "samples": 36}, "not comparable", "only a draw of 36 samples here"),
        (STATED, {"identity": {"offset": 100}}, "not comparable", "only offset 100 here"),
        (STATED, {"status": "failed"}, "not comparable", "the run here is failed"),
        (stated(metric="f1"), {}, "not comparable", "f1 (all) is not measured"),
        (stated(decoding="sampling T=1"), {}, "not comparable", "decoding sampling T=1, here greedy"),
        (stated(decoding="nucleus p=0.9"), {"decoding": {"strategy": "nucleus"}}, "agrees", ""),
        (stated(decoding="not stated (vanilla: greedy, OPERA: beam)"), {}, "agrees", ""),
        (stated(note="max 64 tokens"), {}, "not comparable", "at most 64 new tokens, here 512"),
        (stated(note="max 64 tokens"), {"new_tokens": 1.0}, "agrees", ""),  # neither limit is felt
    ],
)
def test_verdicts(figure, run, word, why):
    found = verdict(figure, [entry(**run)])
    assert found.word == word and why in found.why


def test_a_paper_is_a_table_of_models_by_splits():
    figures = [
        STATED,
        stated(group="random"),
        stated(model="Qwen-VL"),
        stated(source="Another", value=0.9),
        stated(source="Another", value=0.7, method="vcd"),
    ]
    assert tables(figures, [entry()], lambda f: f.source, 3)[1] == 1
    made, left_out = tables(figures, [entry()], lambda f: f.source, 4)
    assert left_out == 0 and [t.title for t in made] == ["A paper", "Another"]
    assert made[0].columns == [("accuracy", "all"), ("accuracy", "random")]
    assert [r.model for r in made[0].rows] == ["LLaVA-1.5-7B", "Qwen-VL"]
    assert [r.verdict for r in made[0].rows] == ["agrees within error", "not measured"]
    assert made[1].rows[1].verdict == "not measured"  # vcd here is not vanilla
    assert made[1].rows[0].verdict == "differs (1 of 1 outside of the interval)"

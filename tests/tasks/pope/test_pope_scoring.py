from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core import Result
from harness.tasks.pope.scoring import aggregate, confusion
from tests.tasks.pope.common import SHARED, play, pope, result, value

ROWS = st.lists(
    st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no", None])), min_size=1, max_size=60
)


def test_parity_with_the_official_script():
    if not SHARED.is_dir():
        pytest.skip("the public LLaVA-1.5 answers are not here (no licence stated, so not committed): HARNESS_SHARED")
    answers = SHARED / "llava15_7b_adversarial_first300_answers.jsonl"
    task = pope(data="coco", root=str(answers), splits=["adversarial"])
    texts = {str(row["question_id"]): row["text"] for row in map(json.loads, answers.read_text().splitlines())}
    results = [play(task, s, texts[s.data["question_id"]]) for s in task.samples()]
    assert confusion(results) == {"TP": 122, "FP": 18, "TN": 132, "FN": 28, "neither": 0}
    expected = json.loads((SHARED / "llava15_7b_adversarial_first300_expected.json").read_text())
    for name in ("accuracy", "precision", "recall", "f1", "yes_ratio"):
        assert value(aggregate(results), name, "adversarial") == pytest.approx(expected[name], abs=1e-12)


def test_the_published_counts_by_hand():
    cells = [("yes", "yes", 122), ("no", "yes", 18), ("no", "no", 132), ("yes", "no", 28)]
    pairs = [(label, verdict) for label, verdict, n in cells for _ in range(n)]
    metrics = aggregate([result(i, a, b, "adversarial") for i, (a, b) in enumerate(pairs)])
    assert value(metrics, "f1", "adversarial") == pytest.approx(244 / 290)
    assert value(metrics, "accuracy", "adversarial") == pytest.approx(254 / 300)
    assert value(metrics, "yes_ratio", "adversarial") == pytest.approx(140 / 300)
    accuracy = next(m for m in metrics if (m.name, m.group) == ("accuracy", "adversarial"))
    assert "TP 122, FP 18, TN 132, FN 28" in accuracy.note
    assert "adversarial only" in next(m for m in metrics if m.primary).note


@settings(deadline=None)
@given(ROWS)
def test_totals_and_ranges(rows):
    results = [result(i, *row, cluster=f"c{i // 3}") for i, row in enumerate(rows)]
    counts = confusion(results)
    assert sum(counts.values()) == len(rows)
    assert counts["TP"] + counts["FN"] <= sum(label == "yes" for label, _ in rows)
    metrics = aggregate(results)
    assert sum(m.primary for m in metrics) == 1
    for m in metrics:
        assert 0 <= m.value <= 1
        assert m.low is None or m.low - 1e-9 <= m.value <= m.high + 1e-9


@settings(deadline=None)
@given(ROWS)
def test_swapping_labels_swaps_right_and_wrong(rows):
    other = {"yes": "no", "no": "yes"}
    a = confusion([result(i, *row) for i, row in enumerate(rows)])
    b = confusion([result(i, other[label], verdict) for i, (label, verdict) in enumerate(rows)])
    assert (a["TP"], a["FP"], a["TN"], a["FN"]) == (b["FP"], b["TP"], b["FN"], b["TN"])
    assert a["neither"] == b["neither"]


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_row_order_changes_no_digit(rows, rng):
    results = [result(i, *row, cluster=f"c{i // 4}") for i, row in enumerate(rows)]
    shuffled = list(results)
    rng.shuffle(shuffled)
    assert aggregate(results) == aggregate(shuffled)


@settings(deadline=None)
@given(ROWS)
def test_failed_rows_are_missing_not_wrong(rows):
    results = [result(i, *row, cluster=f"c{i // 3}") for i, row in enumerate(rows)]
    lost = [Result(f"x{i}", f"lost{i}", "random", "yes", None, {"type": "Unusable", "message": "?"}) for i in range(3)]
    with_lost = {(m.name, m.group): m for m in aggregate(results + lost)}
    for m in aggregate(results):
        if m.name != "failed":
            assert with_lost[m.name, m.group] == m
    assert with_lost["failed", "mean"].value == 3 / (3 + len(rows))
    assert "3 of" in with_lost["failed", "random"].note


def test_baselines():
    labels = ["yes", "no"] * 30
    yes = aggregate([result(i, label, "yes", cluster=f"c{i // 6}") for i, label in enumerate(labels)])
    assert [value(yes, m) for m in ("accuracy", "precision", "recall", "yes_ratio")] == [0.5, 0.5, 1, 1]
    assert value(yes, "f1") == pytest.approx(2 / 3)
    no = aggregate([result(i, label, "no", cluster=f"c{i // 6}") for i, label in enumerate(labels)])
    assert [value(no, m) for m in ("accuracy", "precision", "recall", "f1", "yes_ratio")] == [0.5, 0, 0, 0, 0]
    notes = {m.name: m.note for m in no if m.group == "random"}
    assert "0 by definition" in notes["precision"] and "0 by definition" in notes["f1"] and not notes["recall"]


def test_other_answers_lower_accuracy_but_not_recall():
    rows = [("yes", "yes")] * 2 + [("yes", None)] * 2 + [("no", "no")] * 2 + [("no", None)] * 2
    metrics = aggregate([result(i, *row) for i, row in enumerate(rows)])
    assert value(metrics, "accuracy") == 0.5
    assert value(metrics, "precision") == value(metrics, "recall") == 1
    assert value(metrics, "yes_ratio") == 0.25
    assert value(metrics, "unparsed") == 0.5


def test_the_mean_weighs_splits_equally():
    rows = [result(i, "yes", "yes", "random", f"c{i % 12}") for i in range(24)]
    rows += [result(i, "yes", "no", "popular", f"c{i % 12}") for i in range(12)]
    rows += [result(i, "no", "no", "adversarial", f"c{i % 12}") for i in range(12)]
    assert value(aggregate(rows), "accuracy") == pytest.approx(2 / 3)
    assert value(aggregate(rows), "yes_ratio") == pytest.approx(1 / 3)


def test_recall_must_be_equal_in_the_splits():
    def rows(wrong: int):
        return [
            result(i, "yes", "no" if i < wrong and split == "popular" else "yes", split, f"c{i}", prompt=f"p{i}")
            for split in ("random", "popular", "adversarial")
            for i in range(12)
        ]

    def note(results):
        return next(m.note for m in aggregate(results) if (m.name, m.group) == ("recall", "mean"))

    assert note(rows(0)) == ""
    assert "random 12, popular 10, adversarial 12" in note(rows(2))


def test_few_images_have_no_interval():
    metrics = aggregate([result(i, "yes", "yes", cluster=f"c{i % 9}") for i in range(36)])
    assert all(m.low is None and m.stderr is None for m in metrics)
    assert "too few clusters" in next(m for m in metrics if m.primary).note


def test_nothing_scored():
    assert aggregate([]) == []
    lost = Result("x", "c", "random", "yes", None, {"type": "Unusable", "message": "?"})
    assert {m.name for m in aggregate([lost])} == {"failed"}

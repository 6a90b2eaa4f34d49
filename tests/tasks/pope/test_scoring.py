from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import Result
from tasks.pope.polling import SPLITS
from tasks.pope.records import read
from tasks.pope.scoring import FN, FP, NEITHER, RATES, TN, TP, counts, metrics, outcome

SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parents[4] / "shared")) / "data" / "pope"
pairs = st.lists(st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no"])), max_size=50)


def results(rows, split="random"):
    """Rows of (answer, label, image)."""
    return [Result(f"{split}:{i}", c, split, y, outcome(a, y, "official")) for i, (a, y, c) in enumerate(rows)]


def value(found, name, group):
    return next(m for m in found if (m.name, m.group) == (name, group))


@pytest.mark.skipif(not SHARED.is_dir(), reason="HARNESS_SHARED names no folder with the public LLaVA answers")
def test_real_answers_give_the_official_counts():
    rows = read(SHARED / "llava15_7b_adversarial_first300_answers.jsonl")
    verdicts = [outcome(r["text"], r["label"], "official").verdict for r in rows]
    c = counts(verdicts, [r["label"] for r in rows])
    assert c[:4].tolist() == [122, 18, 132, 28]
    assert float(RATES["f1"](c)) == pytest.approx(0.8413793103448276, abs=1e-15)
    assert float(RATES["accuracy"](c)) == 254 / 300


def test_by_hand():
    c = counts(["yes", "yes", "no", "no", None], ["yes", "no", "no", "yes", "yes"])
    assert c[[TP, FP, TN, FN, NEITHER]].tolist() == [1, 1, 1, 1, 1]
    assert {k: float(f(c)) for k, f in RATES.items()} == {
        "accuracy": 0.4, "precision": 0.5, "recall": 0.5, "f1": 0.5, "yes_ratio": 0.4,
    }  # fmt: skip


@given(pairs)
def test_swapping_labels_swaps_the_counts(rows):
    flip = {"yes": "no", "no": "yes"}
    c = counts([v for v, _ in rows], [y for _, y in rows])
    d = counts([v for v, _ in rows], [flip[y] for _, y in rows])
    assert c.sum() == len(rows)
    assert (c[TP], c[FP], c[TN], c[FN]) == (d[FP], d[TP], d[FN], d[TN])
    assert all(0 <= float(f(c)) <= 1 for f in RATES.values())


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="argument 2"):
        counts(["yes"], ["yes", "no"])


def test_never_yes_is_defined_and_flagged():
    rows = [("No", y, f"c{i}") for i in range(20) for y in ("yes", "no")]
    found = metrics(results(rows), ["random"], deterministic=True)
    assert value(found, "precision", "random").value == value(found, "f1", "random").value == 0
    assert "defined as 0" in value(found, "f1", "random").note
    assert value(found, "accuracy", "random").value == 0.5


def test_always_yes():
    rows = [("Yes", y, f"c{i}") for i in range(20) for y in ("yes", "no")]
    found = metrics(results(rows), ["random"], deterministic=True)
    assert value(found, "f1", "random").value == pytest.approx(2 / 3)
    assert value(found, "recall", "random").value == value(found, "yes_ratio", "random").value == 1


def test_means_are_unweighted_and_one_metric_is_primary():
    rows = []
    for k, split in enumerate(SPLITS):
        for i in range(12):
            answers = ["No" if i < 3 * k else "Yes"] * 2
            rows += results([(a, y, f"c{i}") for a, y in zip(answers, ("yes", "no"), strict=True)][: 2 - k % 2], split)
    found = metrics(rows, SPLITS, deterministic=True)
    for name in RATES:
        mean = value(found, name, "mean")
        assert mean.value == pytest.approx(sum(value(found, name, s).value for s in SPLITS) / 3)
        assert mean.clusters == 12
    assert [m.name for m in found if m.primary] == ["accuracy"]
    assert "answered differently" in value(found, "recall", "mean").note


def test_failed_samples_are_missing_not_wrong():
    rows = results([("Yes", "yes", f"c{i}") for i in range(12)])
    rows.append(Result("x", "c0", "random", None, None, {"type": "T", "message": "m", "traceback": ""}))
    found = metrics(rows, ["random"], deterministic=True)
    assert value(found, "accuracy", "random").value == 1
    assert value(found, "failed", "random").value == 1
    assert metrics([rows[-1]], ["random"], deterministic=True) == []

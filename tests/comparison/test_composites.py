"""F1, precision, recall and means over splits side by side, against the jackknife done the long way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from harness.comparison.compare import compare
from harness.comparison.composites import _made
from harness.comparison.pairing import Pairs
from harness.core.types import Outcome, Result
from harness.plugins.registry import Registry
from harness.runs.record import RunRecord, Status

SPLITS = ("random", "popular", "adversarial")


def pope(seed: int, clusters: int = 12):
    """Answers about pictures with six questions in each split, three of four right."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(clusters):
        for split in SPLITS:
            for q in range(6):
                label = ("yes", "no")[q % 2]
                verdict = label if rng.random() < 0.75 else ("no", "yes")[q % 2]
                scores = {"correct": float(verdict == label), "unparsed": 0.0, "doubtful": 0.0}
                outcome = Outcome(verdict, scores, verdict, {})
                rows.append(Result(f"{split}:{c}:{q}", f"image {c}", split, label, outcome))
    return rows


def chair(seed: int, clusters: int = 12):
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(clusters):
        for q in range(int(rng.integers(1, 4))):
            named, there = int(rng.integers(1, 6)), int(rng.integers(2, 6))
            wrong, found = int(rng.integers(0, named)), int(rng.integers(0, there))
            scores = {"hallucinates": float(wrong > 0), "hallucinated": wrong, "mentioned": named, "recalled": found}
            scores |= {"objects": there, "tokens": 9.0, "empty": 0.0}
            rows.append(Result(f"{c}:{q}", f"image {c}", "all", None, Outcome("a", scores, None, {})))
    return rows


def screenspot(seed: int, clusters: int = 12):
    rng = np.random.default_rng(seed)
    cells = ("mobile_text", "mobile_icon", "web_text", "web_icon")
    rows = []
    for c in range(clusters):
        for q, cell in enumerate(cells):
            scores = {"hit": float(rng.random() < 0.6), "unparsed": 0.0, "outside": 0.0}
            rows.append(Result(f"{c}:{q}", f"screen {c}", cell, None, Outcome("", scores, None, {})))
    return rows


def pairs(make, seeds=(1, 2)):
    """The second run's answers about the first one's samples."""
    left, right = make(seeds[0]), make(seeds[1])
    answers = {r.id: r.outcome for r in right}
    return Pairs(left, [replace(r, outcome=answers.get(r.id, r.outcome)) for r in left], 0)


def values(task, results):
    return {(m.name, m.group): m.value for m in task.aggregate(results)}


MADE = {
    "pope": (pope, {(n, g) for n in ("precision", "recall", "f1", "yes_ratio") for g in (*SPLITS, "mean")}),
    "chair": (chair, {("recall", "all")}),
    "screenspot": (screenspot, {("avg_macro4", "all")}),
}


@pytest.mark.parametrize("name", MADE)
def test_the_difference_is_the_jackknife_of_the_paired_metrics(name):
    """Whole metrics are made again without each cluster, by the task's own aggregate."""
    make, wanted = MADE[name]
    task, both = Registry().get("task", name).build(data="embedded"), pairs(make)
    found = {(f.name, f.group): f for f in _made(task, both)}
    assert found.keys() == wanted

    def difference(kept):
        a, b = (
            {(m.name, m.group): m.value for m in task.aggregate([r for r in side if kept(r)])} for side in both.sides
        )
        return {k: b[k] - a[k] for k in wanted}, a, b

    whole, a, b = difference(lambda r: True)
    clusters = sorted(set(both.clusters))
    without = [difference(lambda r, c=c: r.cluster != c)[0] for c in clusters]
    n = len(clusters)
    for key, figure in found.items():
        left_out = np.array([w[key] for w in without])
        stderr = math.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
        half = t.ppf(0.975, n - 1) * stderr
        d = figure.difference
        assert (figure.a, figure.b) == pytest.approx((a[key], b[key]), abs=1e-12)
        assert (d.value, d.stderr) == pytest.approx((whole[key], stderr), abs=1e-12)
        assert (d.low, d.high) == pytest.approx((whole[key] - half, whole[key] + half), abs=1e-12)
        assert d.clusters == n and d.test == "cluster swap"


def test_the_p_value_exchanges_whole_clusters():
    """Every exchange of twelve pictures between the runs, the long way, for F1 over the mean of the splits."""
    task = Registry().get("task", "pope").build(data="embedded")
    both = pairs(lambda seed: pope(seed, 4))
    (figure,) = [f for f in _made(task, both) if (f.name, f.group) == ("f1", "mean")]
    clusters = sorted(set(both.clusters))
    drawn = []
    for mask in range(2 ** len(clusters)):
        swapped = {c for i, c in enumerate(clusters) if mask >> i & 1}
        rows = list(zip(both.left, both.right, strict=True))
        sides = (
            [(b if a.cluster in swapped else a) for a, b in rows],
            [(a if a.cluster in swapped else b) for a, b in rows],
        )
        one, two = ({(m.name, m.group): m.value for m in task.aggregate(side)}["f1", "mean"] for side in sides)
        drawn.append(abs(two - one))
    assert figure.difference.p == pytest.approx(np.mean(np.array(drawn) >= abs(figure.difference.value) - 1e-12))
    assert figure.difference.low is None and "too few clusters" in figure.difference.note


class Run:
    """A run in memory."""

    def __init__(self, name, results, **facts):
        self.name, self._results, self.metrics = name, results, []
        config = {"task": Registry().get("task", "pope").node | {"data": "embedded"}, **facts.pop("config", {})}
        self.record = RunRecord(status=Status.DONE, task="pope", model="m", method=name, config=config, **facts)

    def results(self):
        return self._results

    def faults(self):
        return []

    def cost(self):
        return {}


def test_compare_lists_metrics_behind_scores():
    both = pairs(pope)
    (found,) = compare(Run("a", both.left), [Run("b", both.right)])
    names = [(r.score, r.group, r.of) for r in found.rows]
    assert names.index(("correct", "all", "score")) < names.index(("f1", "mean", "metric"))
    assert found.judged.score == "correct" and found.judged.of == "score" and not found.without
    assert {"f1", "recall", "precision"} <= {r["score"] for r in found.as_json()["rows"]}


def test_a_task_that_is_gone_is_said():
    both = pairs(pope)
    gone = {"config": {"task": {"_target_": "nowhere.Gone", "name": "pope"}}}
    (found,) = compare(Run("a", both.left, **gone), [Run("b", both.right, **gone)])
    assert {r.of for r in found.rows} == {"score"}
    assert found.without.startswith("metrics of task=pope cannot be compared: task: nowhere.Gone cannot be imported")


def test_another_tools_task_is_not_loaded_to_compare(monkeypatch):
    """Its metrics need its data sets: they are left out, without a word."""
    node = Registry().get("task", "lm_eval").node | {"name": "hellaswag", "data": "default"}
    monkeypatch.setattr("harness.tasks.lm_eval.task.LmEval._tasks", property(lambda _: pytest.fail("loaded")))
    both = pairs(pope)
    runs = [Run(name, side, config={"task": node}) for name, side in zip("ab", both.sides, strict=True)]
    (found,) = compare(runs[0], runs[1:])
    assert {r.of for r in found.rows} == {"score"} and not found.without

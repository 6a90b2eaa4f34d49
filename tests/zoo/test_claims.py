"""docs/zoo-claims.md is what the kept runs say; verdicts follow from differences, and commands name what exists."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from harness.core import Metric, Outcome, Result
from harness.interop.bundle import BundledRun
from harness.plugins.registry import ROOT, Registry
from harness.runs.record import RunRecord
from harness.zoo.recipe import recipe

sys.path.append(str(ROOT / "benchmarks"))
import zoo_claim_list as listed
import zoo_claims as script
from zoo_claim_list import Arm, Claim, Pair

N = 120


def run(model: str, seed: int, level: float, noise: int = 0) -> BundledRun:
    """A run on mqar whose sequences score about `level`."""
    rng = np.random.default_rng((seed, noise))
    scores = (np.random.default_rng(0).random(N) < level).astype(float)
    scores = np.where(rng.random(N) < 0.05, 1 - scores, scores)
    rows = [Result(str(i), str(i), "64x4", None, Outcome("", {"correct": float(s)})) for i, s in enumerate(scores)]
    facts = {"seed": seed, "steps": 500, "recipe": {"batch": 32}, "cpu_seconds": 7.0, "state_bytes": {"64": 4096}}
    told = {"status": "done", "task": "recall", "model": model, "method": "vanilla", "data": "mqar"}
    record = RunRecord.of({**told, "model_facts": {"mixer": model, "courses": {"mqar": facts}}})
    metric = Metric("accuracy", float(scores.mean()), primary=True, score="correct")
    return BundledRun(f"{model}{seed}", record, [metric], (), {}, rows)


def runs(**levels: float) -> script.Runs:
    return script.Runs([run(m, seed, v, ord(m[0])) for m, v in levels.items() for seed in (1, 2, 3)])


def claim(reaches: bool = False) -> Claim:
    return Claim("A claim", "0000.00000", "Says.", "Checked.", (Pair(Arm("a", "mqar"), Arm("b", "mqar"), reaches),))


@pytest.mark.parametrize(
    ("levels", "reaches", "said"),
    [
        ({"a": 0.9, "b": 0.5}, False, "holds"),
        ({"a": 0.5, "b": 0.9}, False, "does not hold"),
        ({"a": 0.7, "b": 0.7}, False, "undecided"),
        ({"a": 0.9, "b": 0.5}, True, "holds"),
        ({"a": 0.5, "b": 0.9}, True, "does not hold"),
        ({"a": 0.9}, False, "not run yet"),
    ],
)
def test_a_verdict_follows_from_the_difference(levels, reaches, said):
    (found,) = script.judged(claim(reaches), runs(**levels))
    assert found.verdict == said
    assert "".join(script.shown(claim(reaches), runs(**levels))).startswith(f"## A claim: {said}")


def test_the_same_runs_on_both_sides_are_no_difference():
    same = script.Runs([run(m, seed, 0.7) for m in "ab" for seed in (1, 2, 3)])
    (found,) = script.judged(claim(), same)
    assert found.verdict == "does not hold" and found.difference is not None and found.difference.value == 0


def test_what_is_not_there_cannot_be_removed():
    pair = Pair(Arm("a", "mqar"), Arm("b", "mqar"), least=0.8)
    (found,) = script.judged(Claim("A claim", "0000.00000", "Says.", "Checked.", (pair,)), runs(a=0.9, b=0.5))
    assert found.verdict == "undecided"
    pair = Pair(Arm("a", "mqar"), Arm("b", "mqar"), floor=0.95)
    (found,) = script.judged(Claim("A claim", "0000.00000", "Says.", "Checked.", (pair,)), runs(a=0.9, b=0.5))
    assert found.verdict == "undecided", "what has not been learned tells nothing"


def test_trainings_of_another_recipe_are_not_repetitions():
    made = runs(a=0.9, b=0.5)
    assert list(made.of(Arm("a", "mqar", train=("batch=32",)))) == [1, 2, 3]
    assert not made.of(Arm("a", "mqar", train=("batch=64",)))


def test_a_claim_with_parts():
    assert script.summed(["holds", "holds"]) == "holds"
    assert script.summed(["holds", "undecided"]) == "undecided"
    assert script.summed(["undecided", "does not hold", "holds"]) == "does not hold"
    assert script.summed(["holds", "not run yet"]) == "undecided (1 of 2 not run)"
    assert script.summed(["not run yet"] * 2) == "not run yet"
    assert script.summed(["holds (one seed)", "holds"]) == "holds (one seed)"


def test_one_training_is_said():
    (found,) = script.judged(claim(), script.Runs([run("a", 1, 0.9), run("b", 1, 0.5), run("b", 2, 0.5)]))
    assert found.verdict == "holds (one seed)"


def points(values: dict[int, float]) -> list[dict]:
    return [{"step": s, "scores": {"ic": v}} for s, v in values.items()]


def test_a_rise_is_measured_in_decades_of_steps_above_the_plateau():
    sudden = {1: 0.06, 10: 0.25, 100: 0.25, 200: 1.0, 1000: 1.0}
    slow = {1: 0.2, 10: 0.4, 100: 0.6, 1000: 0.8, 10000: 1.0}
    assert script.abruptness(points(sudden), "ic", 0.25) == pytest.approx(0.8 * np.log10(2))
    assert script.abruptness(points(slow), "ic", 0.2) == pytest.approx(0.8 * 4)
    assert script.abruptness(points({1: 0.06, 1000: 0.3}), "ic", 0.25) is None, "nothing rose"


def test_the_page_is_that_of_the_kept_runs():
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.written(page, script.kept()) == page, "make it anew: benchmarks/zoo_claims.py write"


def test_every_arm_can_be_trained_and_asked():
    for arm in script._arms():
        words = dict(w.split("=") for w in listed.TASKS[arm.course])
        name = words.pop("task")
        values = {k.removeprefix("task."): v for k, v in words.items()}
        task = Registry().tasks[name].build(**{k: int(v) if v.isdigit() else v for k, v in values.items()})
        assert list(task.courses()) == [arm.course]
        made = recipe(arm.model, arm.course).changed(
            {k: float(v) if "." in v else int(v) for k, v in (w.split("=") for w in arm.train)}
        )
        assert made.shape["mixers"]

"""The task circuits: prompts of one template, counterparts that differ in a word, right answers, whole runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.core import UsageError
from harness.plugins.registry import Registry
from harness.tasks.circuits.prompts import EACH, VARIANTS

TASK = Registry().tasks["circuits"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_counterpart_differs_in_one_word_and_in_its_answer(variant):
    made = TASK.build(data="embedded", variants=variant)
    samples = list(made.samples())
    assert len(samples) == EACH == len({s.data["question"] for s in samples})
    for sample in samples:
        request, pair = next(made.episode(sample)), made.pair(sample)
        one, two = (str(r.messages[0].content[0]).split() for r in (request, pair.request))
        assert len(one) == len(two) and sum(a != b for a, b in zip(one, two, strict=True)) == 1
        assert (request.plain, request.stop, request.max_new_tokens) == (True, ("\n",), 2)
        assert pair.answer == f" {sample.target}" != pair.other
        assert made.oracle(sample, request).strip() == sample.target not in pair.wrong
        assert all(w in one or f"{w}," in one for w in pair.wrong)


def test_answers_are_what_the_prompt_says():
    names, colours = (list(TASK.build(data="embedded", variants=v, shots=0).samples()) for v in VARIANTS)
    for sample in names:
        words = sample.data["question"].replace(",", " ").split()
        assert words.count(sample.target) == 1
    for sample in colours:
        shown, asked = sample.data["question"].split("What color is the ")
        assert f"a {sample.target} {asked.partition('?')[0]}" in shown


def test_oracle_and_chance(workdir):
    assert main(["eval", "-m", "task=circuits", "logger=quiet", "model=oracle,chance"]) == 0
    value = {}
    for run in Path("results/runs").glob("*"):
        for m in json.loads((run / "metrics.json").read_text()):
            value["oracle" in run.name, m["name"], m["group"]] = m["value"]
    assert value[True, "correct", "all"] == 1
    assert 0.35 < value[False, "correct", "names"] < 0.65 and 0.2 < value[False, "correct", "colours"] < 0.47


@pytest.mark.parametrize(
    ("answer", "said", "right"), [(" red", "red", 1), ("Red.\nQ", "Red", 1), ("reddish", "reddish", 0), ("", None, 0)]
)
def test_the_word_that_an_answer_begins_with(answer, said, right):
    made = TASK.build(data="embedded", variants="colours")
    record = next(r for r in made.source.records if r.answer == "red")
    outcome = made.score(record, answer)
    assert outcome.verdict == said and outcome.scores["correct"] == right


def test_worked_prompts_are_counted():
    with pytest.raises(UsageError, match=r"task.shots=5 is more than there are: give 0 to 4"):
        TASK.build(data="embedded", shots=5)

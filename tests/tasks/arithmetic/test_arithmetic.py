"""The arithmetic task: right answers, one template a variant, whole runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.cli import main
from harness.plugins.registry import Registry
from harness.tasks.arithmetic.problems import EACH, VARIANTS

TASK = Registry().tasks["arithmetic"]


@pytest.mark.parametrize("name", [n for n in VARIANTS if n != "copy"])
def test_answers_are_what_the_prompt_says(name):
    for problem in [*VARIANTS[name].problems(), *map(VARIANTS[name].problem, VARIANTS[name].examples)]:
        assert re.fullmatch(r"[\d +-]+= ", problem.text)
        assert eval(problem.text.rstrip("= ")) == int(problem.answer)


def test_copies_are_what_was_shown():
    for problem in VARIANTS["copy"].problems():
        shown, begun = problem.text.removeprefix("copy ").split(" : ")
        assert shown == f"{begun}{problem.answer}"


@pytest.mark.parametrize("name", VARIANTS)
def test_one_template_and_one_length(name):
    made = TASK.build(data="embedded", variants=name)
    prompts = [next(made.episode(s)).messages[0].content[0] for s in made.samples()]
    assert len({re.sub(r"\d", "0", p) for p in prompts}) == 1, "equal positions"
    assert len(set(prompts)) == len(prompts) <= EACH
    assert not any(p.splitlines()[-1] in p.splitlines()[0] for p in prompts), "no example is asked"


@pytest.mark.parametrize("name", VARIANTS)
def test_counterparts_have_another_answer_and_the_same_length(name):
    made = TASK.build(data="embedded", variants=name)
    for sample in made.samples():
        pair, own = made.pair(sample), next(made.episode(sample))
        one, two = (str(r.messages[0].content[0]) for r in (own, pair.request))
        assert pair.answer == sample.target != pair.other and len(one) == len(two)
        assert sum(a != b for a, b in zip(one, two, strict=True)) <= 4


def test_oracle_and_chance(workdir):
    assert main(["eval", "-m", "task=arithmetic", "task.variants=null", "logger=quiet", "model=oracle,chance"]) == 0
    value = {}
    for run in Path("results/runs").glob("*"):
        for m in json.loads((run / "metrics.json").read_text()):
            value["oracle" in run.name, m["name"], m["group"]] = m["value"]
    assert value[True, "correct", "all"] == value[True, "correct", "mixed"] == 1
    assert 0.02 < value[False, "correct", "copy"] < 0.25 and value[False, "correct", "mixed"] < 0.1


@pytest.mark.parametrize(
    ("answer", "said", "right"),
    [("7\n2 + 2", "7", 1), (" 7.", "7", 1), ("77", "77", 0), ("seven", None, 0), ("", None, 0)],
)
def test_the_number_that_an_answer_begins_with(answer, said, right):
    made = TASK.build(data="embedded")
    record = next(r for r in made.source.records if r.answer == "7")
    outcome = made.score(record, answer)
    assert outcome.verdict == said and outcome.scores["correct"] == right


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["task.shots=5"], "task.shots=5 is more than there are: give 0 to 4"),
        (["task.root=x"], "problems of your own"),
        (["task.variants=[sub]"], "sub is unknown: choose from copy"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, says):
    assert main(["eval", "task=arithmetic", "model=oracle", *words]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1

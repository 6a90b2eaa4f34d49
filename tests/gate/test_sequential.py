"""stop_early: runs that end when their comparison is decided."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from tests.gate.common import PLUGINS, N, answers, play


def record(name: str) -> dict:
    return json.loads((Path("results/runs") / name / "run.json").read_text())


def test_a_clear_loss_ends_early_and_is_no_baseline(workdir, capsys):
    base = play(answers(0.2))
    worse = record(play(answers(0.2, flip=0.4), "results", N, f"stop_early={base}"))
    assert worse["sequential"]["state"] == "worse" and worse["sequential"]["against"] == base
    assert worse["sequential"]["high"] < 0
    assert worse["counts"]["done"] == 4 * worse["sequential"]["clusters"] < N / 3
    capsys.readouterr()
    assert main(["baseline", "update", worse["run"], "--reason", "x"]) == 2
    assert "was stopped early" in capsys.readouterr().err
    assert main(["compare", base, worse["run"]]) == 0


def test_equal_answers_end_as_equal_and_an_undecided_run_is_whole(workdir):
    base = play(answers(0.2))
    same = record(play(answers(0.2, odd=3), "results", N, f"stop_early={base}"))
    assert same["sequential"]["state"] == "equal" and same["counts"]["done"] < N
    other = record(play(answers(0.2, seed=5), "results", N, f"stop_early={base}"))
    assert other["sequential"]["state"] == "undecided" and other["counts"]["done"] == N


def test_the_order_depends_on_the_seed_alone_and_an_interrupted_run_goes_on(workdir):
    base = play(answers(0.2))
    name = play(answers(0.2, flip=0.3), "results", N, f"stop_early={base}")
    journal = Path("results/runs") / name / "samples.jsonl"
    whole = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(whole[: len(whole) // 2]))
    facts = record(name) | {"status": "running"}
    (Path("results/runs") / name / "run.json").write_text(json.dumps(facts))
    path = answers(0.2, flip=0.3)
    words = ["eval", "task=sums", f"task.n={N}", PLUGINS, "model=replay", f"model.path={path}", f"stop_early={base}"]
    assert main(words) == 0
    ids = [json.loads(line)["id"] for line in journal.read_text().splitlines()]
    assert ids == [json.loads(line)["id"] for line in whole]


@pytest.mark.parametrize(("word", "says"), [("true", "compares with vanilla"), ("nothing", "holds no runs")])
def test_without_a_run_to_compare_with(workdir, capsys, word, says):
    path = answers(0.2)
    words = ["eval", "task=sums", f"task.n={N}", PLUGINS, "model=replay", f"model.path={path}", f"stop_early={word}"]
    assert main(words) in (2, 3)
    assert says in capsys.readouterr().err

"""POPE through the command line on records of the official layout: reference models, replay, bad rows."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.cli import main
from harness.runs.journal import read

REPO = Path(__file__).parents[2]
DATA = REPO / "tests" / "tasks" / "pope" / "data"
SHARED = Path(os.environ.get("HARNESS_SHARED", REPO.parent / "shared")) / "data" / "pope"


def only(folder):
    (run,) = (folder / "results" / "runs").iterdir()
    return run


def metrics(run):
    return {(m["name"], m["group"]): m for m in json.loads((run / "metrics.json").read_text())}


def test_oracle_is_the_ceiling_and_chance_is_at_one_half(workdir):
    assert main(["eval", "-m", "task=pope", "model=oracle,chance"]) == 0
    values = {}
    for run in (workdir / "results" / "runs").iterdir():
        values[run.name.split("-")[3]] = next(m["value"] for m in metrics(run).values() if m["primary"])
    assert values["oracle"] == 1 and abs(values["chance"] - 0.5) < 0.04


def test_replayed_answers_need_no_pictures(workdir):
    shutil.copy(DATA / "coco_pope_random_first120.json", workdir)
    shutil.copy(DATA / "coco_pope_popular_first120.json", workdir)
    rows = [json.loads(line) for line in (workdir / "coco_pope_random_first120.json").read_text().splitlines()]
    answers = [{"question_id": r["question_id"], "text": "Yes", "image": r["image"]} for r in rows[::-1]]
    (workdir / "answers.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers[1:]))
    words = ["eval", "task=pope", "model=replay", "model.path=answers.jsonl", f"task.root={workdir}"]
    assert main([*words, "task.splits=[random]"]) == 3
    run = only(workdir)
    found = metrics(run)
    assert found["recall", "random"]["value"] == 1 and found["yes_ratio", "random"]["value"] == 1
    assert [r.id for r in read(run / "samples.jsonl") if r.error] == ["random:120"]
    assert main([*words, "task.splits=[random,popular]"]) == 2, "a bare question id may mean two samples"


@pytest.mark.skipif(not SHARED.is_dir(), reason="HARNESS_SHARED names no folder with the public LLaVA answers")
def test_real_llava_answers_give_the_official_figures(workdir):
    path = SHARED / "llava15_7b_adversarial_first300_answers.jsonl"
    words = ["eval", "task=pope", "task.data=coco", "task.splits=[adversarial]", f"task.root={path}"]
    assert main([*words, "model=replay", f"model.path={path}", "model.answer_field=text"]) == 0
    run = only(workdir)
    cells = [(r.outcome.verdict, r.target) for r in read(run / "samples.jsonl")]
    counts = [cells.count(c) for c in (("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", "yes"))]
    assert counts == [122, 18, 132, 28]
    assert metrics(run)["f1", "adversarial"]["value"] == pytest.approx(0.8413793103448276, abs=1e-12)


def test_bad_records_cost_one_row_each(workdir, capsys):
    """A truncated picture, a picture that is text and a label that is a number."""
    rows = pq.read_table(REPO / "tasks" / "pope" / "embedded" / "images.parquet").to_pylist()[:4]
    (workdir / "images").mkdir()
    for i, row in enumerate(rows):
        data = row["bytes"]
        data = data[: len(data) // 2] if i == 1 else b"no picture" if i == 2 else data
        (workdir / "images" / f"{i}.jpg").write_bytes(data)
    questions = [
        {"question_id": n + 1, "image": f"{n // 3}.jpg", "text": f"Is there a {o} in the image?", "label": "yes"}
        for n, o in enumerate(["dog", "cat", "car"] * 4)
    ]
    questions[0]["label"] = 7
    (workdir / "coco_pope_random.json").write_text("".join(json.dumps(q) + "\n" for q in questions))
    words = ["task=pope", "task.data=coco", f"task.root={workdir}", "task.splits=[random]", "model=tiny-llava"]
    code = main(["eval", *words])
    err = capsys.readouterr().err
    assert code == 3, err
    results = read(only(workdir) / "samples.jsonl")
    assert len(results) == 12
    assert sum(r.error is not None for r in results) == 1 + 3 + 3
    assert "7 of 12 samples ended in an error row" in err and "Traceback" not in err
    for question in questions:
        del question["label"]
    (workdir / "coco_pope_random.json").write_text("".join(json.dumps(q) + "\n" for q in questions))
    assert main(["eval", *words]) == 2
    err = capsys.readouterr().err
    assert "label" in err and len(err.strip().splitlines()) == 1

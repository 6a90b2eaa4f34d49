"""Whole runs through the command line."""

from __future__ import annotations

import json

import datasets
import pytest

from harness.cli import main
from harness.runs.journal import read as journal
from tests.tasks.pope.common import DATA, pope
from tests.tasks.pope.test_pope_records import hub_rows


def runs(workdir):
    return sorted((workdir / "results" / "runs").iterdir())


def metrics(run):
    return {(m["name"], m["group"]): m for m in json.loads((run / "metrics.json").read_text())}


def test_oracle_and_chance(workdir):
    assert main(["eval", "-m", "task=pope", "task.data=calibration", "model=oracle,chance"]) == 0
    values = {run.name.split("-")[3]: metrics(run)["accuracy", "mean"]["value"] for run in runs(workdir)}
    assert values["oracle"] == 1 and abs(values["chance"] - 0.5) < 0.06


def test_replayed_answers_in_any_order_and_one_missing(workdir):
    rows = [json.loads(line) for line in (DATA / "coco_pope_random_first120.json").read_text().splitlines()]
    answers = [{"question_id": r["question_id"], "text": "Yes", "image": r["image"]} for r in rows[:0:-1]]
    (workdir / "answers.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
    words = ["eval", "task=pope", "model=replay", "model.path=answers.jsonl", f"task.root={DATA}"]
    assert main([*words, "task.splits=[random]"]) == 3
    (run,) = runs(workdir)
    found = metrics(run)
    assert found["recall", "mean"]["value"] == found["yes_ratio", "mean"]["value"] == 1
    assert found["failed", "mean"]["value"] == pytest.approx(1 / 120)
    assert [r.id for r in journal(run / "samples.jsonl") if r.error] == ["random:1"]
    record = json.loads((run / "run.json").read_text())
    assert record["task_facts"]["parser"] == "official" and record["task_facts"]["images_not_found"] == 20


def test_answers_that_belong_to_other_images_are_refused(workdir, capsys):
    rows = [json.loads(line) for line in (DATA / "coco_pope_random_first120.json").read_text().splitlines()]
    (workdir / "answers.jsonl").write_text(
        "".join(
            json.dumps({"question_id": r["question_id"], "text": "Yes", "image": o["image"]}) + "\n"
            for r, o in zip(rows, rows[6:] + rows[:6], strict=True)
        )
    )
    words = ["eval", "task=pope", "model=replay", "model.path=answers.jsonl", f"task.root={DATA}"]
    assert main([*words, "task.splits=[random]"]) == 2
    assert "do not match" in capsys.readouterr().err


def test_a_bad_row_makes_the_run_partial(workdir):
    rows = (DATA / "coco_pope_random_first120.json").read_text().splitlines()
    rows[3] = json.dumps(json.loads(rows[3]) | {"label": 0})
    (workdir / "coco_pope_random.json").write_text("\n".join(rows))
    words = ["eval", "task=pope", "model=oracle", "task.data=coco", "task.root=coco_pope_random.json"]
    assert main([*words, "task.splits=[random]"]) == 3
    (run,) = runs(workdir)
    (bad,) = (r for r in journal(run / "samples.jsonl") if r.error)
    assert bad.id == "random:4" and bad.error is not None
    assert bad.error["message"] == "coco_pope_random.json, row 4: field label is 0 (int), not text"
    assert metrics(run)["accuracy", "mean"]["value"] == 1


def test_a_line_break_in_the_suffix(workdir):
    words = ["eval", "task=pope", "task.data=calibration", "model=oracle", "limit=18"]
    assert main([*words, 'task.suffix="\\nAnswer the question using a single word or phrase."']) == 0
    (run,) = runs(workdir)
    facts = json.loads((run / "run.json").read_text())["task_facts"]
    assert facts["suffix"] == "\nAnswer the question using a single word or phrase."


def test_the_hub(monkeypatch):
    """The layout of lmms-lab/POPE, as `datasets` hands it over."""

    def load(name, config, *, split, revision):
        assert (name, config) == ("lmms-lab/POPE", "Full") and len(revision) == 40
        rows = [row | {"category": split} for row in hub_rows()]
        return datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())

    monkeypatch.setattr(datasets, "load_dataset", load)
    samples = list(pope(data="coco").samples())
    assert [s.id for s in samples] == [f"{s}:{i}" for s in ("random", "popular", "adversarial") for i in (1, 2)]
    assert len({id(s.data["record"].picture) for s in samples}) == 1
    assert samples[0].data["record"].picture.load().size == (8, 8)
    assert samples[0].cluster == "coco:000000000001" and samples[0].target == "yes"

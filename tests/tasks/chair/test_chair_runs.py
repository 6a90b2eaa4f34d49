"""Records, scores and whole runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import datasets
import pytest

from harness.cli import main
from harness.core import Missing, UsageError
from harness.tasks.chair import generate
from harness.tasks.chair.settings import Settings
from harness.tasks.chair.sources import load
from tests.tasks.settings import settings_of

DATA = Path(__file__).parent / "data"
POPE = Path(__file__).parents[1] / "pope" / "data"


def metrics(run: Path) -> dict:
    return {m["name"]: m for m in json.loads((run / "metrics.json").read_text())}


def the_run() -> Path:
    (run,) = Path("results/runs").iterdir()
    return run


def settings(**changed) -> Settings:
    return settings_of("chair", **{"data": "local", **changed})


def test_official_sums_of_real_captions(workdir):
    words = [
        "task=chair",
        "task.data=local",
        f"task.root={DATA / 'gt_objects_60.json'}",
        "model=replay",
        "logger=quiet",
    ]
    assert main(["eval", *words, f"model.path={DATA / 'llava15_7b_captions_60.jsonl'}"]) == 0
    found = metrics(the_run())
    assert found["chair_s"]["value"] == 27 / 60
    assert found["chair_i"]["value"] == pytest.approx(62 / 456, rel=1e-12)
    assert found["recall"]["value"] == pytest.approx(141 / 177, rel=1e-12)
    assert found["mentions"]["value"] == 456 / 60
    assert found["chair_i"]["primary"] and found["chair_i"]["score"] == "hallucinated/mentioned"


def test_oracle_and_chance(workdir):
    assert main(["eval", "-m", "task=chair", "task.data=embedded", "model=oracle,chance"]) == 0
    found = {r.name.split("-")[3]: metrics(r) for r in Path("results/runs").iterdir()}
    assert found["oracle"]["chair_i"]["value"] == found["oracle"]["chair_s"]["value"] == 0
    assert found["oracle"]["recall"]["value"] == 1
    share = sum(len(r.objects) for r in load(settings(data="embedded")).records) / 200 / 80
    assert found["chance"]["chair_i"]["value"] == pytest.approx(1 - share, abs=0.03)


def test_silence_is_flagged(workdir):
    (workdir / "silent.jsonl").write_text(
        "".join(json.dumps({"image_id": str(i), "caption": ""}) + "\n" for i in ids())
    )
    words = ["task=chair", "task.data=embedded", "model=replay", "model.path=silent.jsonl", "logger=quiet"]
    assert main(["eval", *words]) == 0
    found = metrics(the_run())
    assert found["chair_i"]["value"] == 0 and "no object was mentioned" in found["chair_i"]["note"]
    assert found["empty"]["value"] == 1 and found["recall"]["value"] == 0


def ids() -> list[str]:
    return [r.id for r in load(settings(data="embedded")).records]


def test_coco_annotations_join_segments_and_captions(tmp_path):
    names = {1: "person", 18: "dog"}
    made = {
        "categories": [{"id": i, "name": n} for i, n in names.items()],
        "images": [{"id": 42, "file_name": "COCO_val2014_000000000042.jpg"}, {"id": 7, "file_name": "x.jpg"}],
        "annotations": [{"image_id": 42, "category_id": 18}],
    }
    (tmp_path / "instances_val2014.json").write_text(json.dumps(made))
    with pytest.raises(Missing, match="captions_val2014"):
        load(settings(data="coco", root=str(tmp_path)))
    said = {"annotations": [{"image_id": 42, "caption": "A puppy on two couches."}]}
    (tmp_path / "captions_val2014.json").write_text(json.dumps(said))
    dog, empty = load(settings(data="coco", root=str(tmp_path))).records
    assert dog.objects == {"dog", "couch"} and dog.cluster == "coco:000000000042"
    assert empty.objects == frozenset()
    (tmp_path / "ids.txt").write_text("7\n")
    (only,) = load(settings(data="coco", root=str(tmp_path), ids=str(tmp_path / "ids.txt"))).records
    assert only.id == "7"
    (tmp_path / "ids.txt").write_text("8\n")
    with pytest.raises(UsageError, match="1 pictures that are not there, coco:000000000008"):
        load(settings(data="coco", root=str(tmp_path), ids=str(tmp_path / "ids.txt")))


def test_real_coco_records():
    """Names and captions of 100 COCO pictures: ground truth is their union."""
    found = load(settings(root=str(POPE / "tiny_coco_objects.jsonl"))).records
    assert len(found) == 100 and not any(r.fault for r in found)
    assert all(r.cluster.startswith("coco:") for r in found)


def test_hub_rows(monkeypatch, tmp_path):
    rows = [{"question_id": 9, "gt_object": ["dog"], "image": None}, {"question_id": 10, "gt_object": "cat, dog"}]
    made = datasets.Dataset.from_list([{**r, "image": {"bytes": b"x", "path": None}} for r in [rows[0]]])
    made = made.cast_column("image", datasets.Image())
    monkeypatch.setattr(datasets, "load_dataset", lambda name, config, split, revision: made)
    (record,) = load(settings(data="coco")).records
    assert record.objects == {"dog"} and record.picture.source == b"x"


def test_bad_records_cost_one_row_each(workdir):
    rows = [
        {"image_id": 1, "objects": ["dog"], "image": "there.jpg"},
        {"image_id": 2, "image": "there.jpg"},
        {"image_id": 3, "objects": ["unicorn"], "image": "there.jpg"},
        {"image_id": 4, "objects": 5, "image": "there.jpg"},
        {"image_id": 5, "objects": ["dog"], "image": "absent.jpg"},
        {"image_id": 1, "objects": ["cat"], "image": "there.jpg"},
        ["no object"],
    ]
    (workdir / "r.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows) + "{broken\n")
    shutil.copy(first_picture(workdir), workdir / "there.jpg")
    assert main(["eval", "task=chair", "task.data=local", "task.root=r.jsonl", "model=tiny-llava", "logger=quiet"]) == 3
    lines = [json.loads(x) for x in (the_run() / "samples.jsonl").read_text().splitlines()]
    errors = {r["id"]: r["error"]["message"] for r in lines if r.get("error")}
    assert len(lines) == 8 and len(errors) == 7
    assert "not a COCO category" in errors["3"] and "is not in" in errors["5"] and "occurs twice" in errors["1#6"]
    assert "has no field objects" in errors["2"] and "is not JSON" in errors["row8"]


def first_picture(folder: Path) -> Path:
    path = folder / "first.webp"
    path.write_bytes(load(settings(data="embedded")).records[0].picture.encoded())
    return path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["task.data=moon"], "task.data=moon is unknown"),
        (["task.data=local"], "name their folder or file"),
        (["task.root=x"], "add task.data=coco, coco2017 or local"),
        (["task.vocabulary=x"], "task.vocabulary=x is unknown: choose one of official, fixed"),
        (["task.data=local", "task.root=nowhere"], "task.root=nowhere does not exist"),
        (["task.max_new_tokens=0"], "must be a whole number"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, says):
    assert main(["eval", "task=chair", *words]) in (2, 3)
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_records_are_rebuilt_equal():
    assert generate.main(["--check"]) == 0


def test_pictures_are_those_of_pope():
    assert load(settings(data="embedded")).records[0].cluster.startswith("embedded:")
    assert len(load(settings(data="calibration")).records) == 150

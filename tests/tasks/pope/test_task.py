from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness.cli import main
from harness.core import Missing, Unusable, UsageError
from harness.engine.journal import read as journal
from tasks.pope.records import cluster, hub_rows
from tasks.pope.task import Pope

DATA = Path(__file__).parent / "data"
VALUES = {
    "data": "embedded", "root": None, "revision": None, "splits": ["random", "popular", "adversarial"],
    "suffix": "", "parser": "official", "max_new_tokens": 16,
}  # fmt: skip


def pope(**other):
    return Pope(**VALUES | other)


@pytest.fixture
def official(tmp_path):
    for path in DATA.glob("coco_pope_*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_the_embedded_records():
    samples = list(pope().samples())
    assert len(samples) == 2880 and len({s.id for s in samples}) == 2880
    assert Counter(s.group for s in samples) == dict.fromkeys(VALUES["splits"], 960)
    assert len({s.cluster for s in samples}) == 160
    requests = {next(pope().episode(s)).key for s in samples}
    assert len(requests) < 2000
    assert not {s.cluster for s in samples} & {s.cluster for s in pope(data="calibration").samples()}


def test_official_files_need_no_pictures_until_a_model_looks(official):
    samples = list(pope(data="coco", root=str(official)).samples())
    assert len(samples) == 360
    first = samples[0]
    assert (first.id, first.cluster, first.target) == ("random:1", "coco:000000310196", "yes")
    with pytest.raises(Unusable, match="cannot be read"):
        first.data["picture"].load()
    seem = list(pope(data="aokvqa", root=str(DATA), splits=["adversarial"]).samples())
    assert len(seem) == 30 and seem[0].cluster == "coco:000000461751"


def test_pictures_are_found_below_the_root(official):
    (official / "val2014").mkdir()
    (official / "val2014" / "COCO_val2014_000000310196.jpg").write_bytes(picture())
    sample = next(iter(pope(data="coco", root=str(official)).samples()))
    assert sample.data["picture"].load().size == (8, 8)


def test_what_changes_a_prompt_or_score_changes_the_fingerprint(official):
    base = pope(data="coco", root=str(official)).fingerprint()
    assert base == pope(data="coco", root=str(official)).fingerprint()
    others = [
        pope(data="coco", root=str(official), **change).fingerprint()
        for change in ({"suffix": " x"}, {"parser": "vcd"}, {"splits": ["random"]}, {"max_new_tokens": 4})
    ]
    path = official / "coco_pope_random_first120.json"
    path.write_text(path.read_text().replace("snowboard", "surfboard"))
    others.append(pope(data="coco", root=str(official)).fingerprint())
    assert len({base, *others}) == 6


def test_bad_rows_are_faults_and_bad_tables_are_errors(tmp_path):
    rows = [
        {"question_id": 1, "image": "a.jpg", "text": "Is there a dog in the image?", "label": "yes"},
        {"question_id": 2, "image": "a.jpg", "text": None, "label": "no"},
        {"question_id": 3, "image": "a.jpg", "text": "Is there a cat in the image?", "label": 1},
        {"question_id": 4, "image": "a.jpg", "text": "Is there a cat in the image?", "label": "maybe"},
        {"question_id": 5, "image": None, "text": "Is there a cat in the image?", "label": "no"},
        {"question_id": 6, "image": "a.jpg", "text": "Is there a cat in the image?"},
    ]
    path = tmp_path / "coco_pope_random.json"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    task = pope(data="coco", root=str(tmp_path), splits=["random"])
    faults = [s.data.get("fault") for s in task.samples()]
    assert faults[0] is None and all(faults[1:])
    assert "record 3 (random:3): label must be text, not 1" in faults[2]
    with pytest.raises(Unusable, match="record 2"):
        next(task.episode(list(task.samples())[1]))
    path.write_text("".join(json.dumps({k: v for k, v in r.items() if k != "label"}) + "\n" for r in rows))
    with pytest.raises(UsageError, match=r"has no field label \(fields: image, question_id, text\)"):
        list(pope(data="coco", root=str(tmp_path), splits=["random"]).samples())
    path.write_text('{"question_id": 1,')
    with pytest.raises(UsageError, match="neither JSON nor JSON lines"):
        list(pope(data="coco", root=str(tmp_path), splits=["random"]).samples())


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(Missing, match="does not exist"):
        pope(data="coco", root=str(tmp_path / "gone")).samples()
    with pytest.raises(Missing, match=r"no file like coco_pope_random.json"):
        pope(data="coco", root=str(tmp_path)).samples()
    with pytest.raises(Missing, match=r"is not on the hub: download"):
        pope(data="gqa").samples()
    with pytest.raises(Missing, match=r"lmms-lab/POPE cannot be loaded .* task.root=DIR, or use task.data=embedded"):
        pope(data="coco").samples()
    for wrong, says in (({"data": "cocoa"}, "cocoa"), ({"parser": "x"}, "parser=x"), ({"splits": ["y"]}, "splits=y")):
        with pytest.raises(UsageError, match=says):
            pope(**wrong)


def hub_table(**change):
    row = {
        "id": "0", "question_id": "1", "question": "Is there a dog in the image?", "answer": "yes",
        "image_source": "COCO_val2014_000000310196", "image": {"bytes": picture(), "path": None}, "category": "popular",
    }  # fmt: skip
    table = datasets.Dataset.from_list([{k: v for k, v in (row | change).items() if v is not None}])
    return table.cast_column("image", datasets.Image()) if "image" in table.column_names else table


def test_the_hubs_schema():
    (row,) = hub_rows(hub_table(), "popular")
    assert row["split"] == "popular" and row["label"] == "yes" and row["picture"].load().size == (8, 8)
    assert cluster(row["image"]) == "000000310196"
    with pytest.raises(UsageError, match="no column answer"):
        list(hub_rows(hub_table(answer=None), "popular"))


def test_a_local_copy_of_the_hubs_parquet(tmp_path):
    rows = [
        {
            "question_id": str(i), "question": "Is there a dog in the image?", "answer": "yes", "category": "random",
            "image_source": "COCO_val2014_000000310196", "image": {"bytes": picture(), "path": None},
        }
        for i in range(3)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pope-random.parquet")
    samples = list(pope(data="coco", root=str(tmp_path), splits=["random"]).samples())
    assert [s.id for s in samples] == ["random:0", "random:1", "random:2"]
    assert samples[0].data["picture"].load().size == (8, 8) and samples[0].cluster == "coco:000000310196"


def test_oracle_and_chance_through_the_command_line(workdir):
    assert main(["eval", "-m", "task=pope", "model=oracle,chance"]) == 0
    values = {}
    for run in (workdir / "results" / "runs").iterdir():
        found = json.loads((run / "metrics.json").read_text())
        values[run.name.split("-")[3]] = next(m["value"] for m in found if m["primary"])
    assert values["oracle"] == 1 and abs(values["chance"] - 0.5) < 0.04


def test_replayed_answers_through_the_command_line(workdir, official):
    rows = [json.loads(line) for line in (official / "coco_pope_random_first120.json").read_text().splitlines()]
    answers = [{"question_id": r["question_id"], "text": "Yes", "image": r["image"]} for r in rows[::-1]]
    (workdir / "answers.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers[1:]))
    words = ["eval", "task=pope", "model=replay", "model.path=answers.jsonl", f"task.root={official}"]
    assert main([*words, "task.splits=[random]"]) == 3
    (run,) = (workdir / "results" / "runs").iterdir()
    found = {m["name"]: m for m in json.loads((run / "metrics.json").read_text())}
    assert found["recall"]["value"] == 1 and found["yes_ratio"]["value"] == 1 and found["failed"]["value"] == 1
    assert [r.id for r in journal(run / "samples.jsonl") if r.error] == ["random:120"]
    assert main(words) == 2

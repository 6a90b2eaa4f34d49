from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.core import Missing, Unusable, UsageError
from harness.records import Absent
from harness.tasks.pope.records import Table, cluster_of, parse, unique
from tests.tasks.pope.common import DATA, pope

GOOD = {
    "question_id": 1,
    "image": "COCO_val2014_000000000001.jpg",
    "text": "Is there a cat in the image?",
    "label": "no",
}


def picture(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def write(folder: Path, *rows, split: str = "random", name: str = "coco_pope_{}.json") -> Path:
    path = folder / name.format(split)
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def local(root: Path, **settings):
    return pope(**{"data": "coco", "root": str(root), "splits": ["random"], **settings})


def test_official_coco_files():
    task = pope(data="coco", root=str(DATA))
    samples = list(task.samples())
    assert len(samples) == 360 and len({s.id for s in samples}) == 360
    assert samples[0].id == "random:1" and samples[0].cluster == "coco:000000310196"
    assert samples[0].data["question"] == "Is there a snowboard in the image?" and samples[0].target == "yes"
    assert {s.group for s in samples} == {"random", "popular", "adversarial"}
    assert task.describe()["images_not_found"] == 20


@pytest.mark.parametrize(("data", "cluster"), [("aokvqa", "coco:000000461751"), ("gqa", "gqa:2405722")])
def test_official_seem_files_are_one_list(data, cluster):
    samples = list(pope(data=data, root=str(DATA), splits="adversarial").samples())
    assert len(samples) == 30 and samples[0].cluster == cluster


def test_a_split_that_is_not_there():
    with pytest.raises(Missing, match=r"split random, popular: add them, or choose task.splits=\[adversarial\]"):
        pope(data="gqa", root=str(DATA)).fingerprint()


def test_pictures_are_found_by_name(tmp_path):
    write(tmp_path, GOOD, GOOD | {"question_id": 2, "image": "COCO_val2014_000000000002.jpg"})
    deep = tmp_path / "images" / "val2014"
    deep.mkdir(parents=True)
    (deep / GOOD["image"]).write_bytes(picture())
    first, second = local(tmp_path).samples()
    assert first.data["record"].picture.load().size == (8, 8)
    with pytest.raises(Unusable, match=r"image COCO_val2014_000000000002.jpg is not in .* task.images=DIR"):
        second.data["record"].picture.load()
    assert second.data["record"].picture.digest != first.data["record"].picture.digest
    elsewhere = tmp_path / "elsewhere"
    shutil.move(tmp_path / "images", elsewhere)
    assert next(iter(local(tmp_path, images=str(elsewhere)).samples())).data["record"].picture.load()


def test_a_picture_outside_the_folder_is_not_read(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(picture())
    write(root, GOOD | {"image": "../secret.png"}, GOOD | {"question_id": 2, "image": str(tmp_path / "secret.png")})
    for sample in local(root).samples():
        with pytest.raises(Unusable, match="is not in"):
            sample.data["record"].picture.load()


def test_a_truncated_picture_names_itself(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / GOOD["image"]).write_bytes(picture()[:40])
    (sample,) = local(tmp_path).samples()
    with pytest.raises(Unusable, match=f"image {GOOD['image']}: .* cannot be decoded"):
        sample.data["record"].picture.load()


BAD = {
    "field label is 1 (int), not text": GOOD | {"label": 1},
    "field label is 'maybe', not yes or no": GOOD | {"label": "maybe"},
    "field label is null": GOOD | {"label": None},
    "field label is missing": {k: v for k, v in GOOD.items() if k != "label"},
    "field text is null": GOOD | {"text": None},
    "field text is empty": GOOD | {"text": " "},
    "field text is ['Is there'] (list), not text": GOOD | {"text": ["Is there"]},
    "field question_id is 'True' (bool)": GOOD | {"question_id": True},
    "field question_id is missing": {k: v for k, v in GOOD.items() if k != "question_id"},
    "field image is null": GOOD | {"image": None},
    "field image is 3 (int), not text": GOOD | {"image": 3},
    "is a list, not an object with fields": [1, 2],
    "is not JSON": '{"question_id": 5, "ima',
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_row_costs_one_sample(tmp_path, message):
    write(tmp_path, GOOD | {"question_id": 7}, BAD[message], GOOD | {"question_id": 8})
    task = local(tmp_path)
    good, bad, last = task.samples()
    assert (good.id, last.id) == ("random:7", "random:8")
    with pytest.raises(Unusable, match=r"coco_pope_random\.json, row 2") as e:
        next(task.episode(bad))
    assert message in str(e.value) and "\n" not in str(e.value)
    assert bad.group == "random" and bad.cluster
    assert task.describe()["faulty_rows"] == 1
    assert next(task.episode(good)).messages[0].content[1] == GOOD["text"]


def test_a_repeated_question_id(tmp_path):
    write(tmp_path, GOOD, GOOD)
    task = local(tmp_path)
    first, second = task.samples()
    assert first.id != second.id
    with pytest.raises(Unusable, match="question_id 1 occurs twice in split random"):
        next(task.episode(second))


@pytest.mark.parametrize("field", ["question_id", "image", "text", "label"])
def test_a_missing_column_is_one_sentence(tmp_path, field):
    write(tmp_path, {k: v for k, v in GOOD.items() if k != field})
    with pytest.raises(UsageError, match=rf"coco_pope_random.json has no column .*{field}") as e:
        local(tmp_path).fingerprint()
    assert "\n" not in str(e.value)


def test_unreadable_files(tmp_path):
    write(tmp_path, "")
    with pytest.raises(UsageError, match="holds no questions"):
        local(tmp_path).fingerprint()
    write(tmp_path, "[{]")
    with pytest.raises(UsageError, match="not a valid JSON list"):
        local(tmp_path).fingerprint()
    with pytest.raises(Missing, match="does not exist"):
        local(tmp_path / "nowhere").fingerprint()
    (tmp_path / "x").mkdir()
    with pytest.raises(Missing, match="holds no questions"):
        local(tmp_path / "x").fingerprint()
    (tmp_path / "x" / "random.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UsageError, match="not a readable Parquet"):
        local(tmp_path / "x").fingerprint()


def test_two_files_for_a_split(tmp_path):
    for name in ("mine_pope_{}_a.json", "mine_pope_{}_b.json"):
        write(tmp_path, GOOD, name=name)
    with pytest.raises(UsageError, match="2 files for split random"):
        local(tmp_path).fingerprint()
    write(tmp_path, GOOD | {"question_id": 9})
    assert [s.id for s in local(tmp_path).samples()] == ["random:9"]


def hub_rows(n: int = 2):
    image = {"bytes": picture(), "path": None}
    rest = {"answer": "yes", "image_source": "COCO_val2014_000000000001", "category": "random", "image": image}
    return [{"id": str(i), "question_id": str(i + 1), "question": GOOD["text"], **rest} for i in range(n)]


def test_parquet_in_the_layout_of_the_hub(tmp_path):
    pq.write_table(pa.Table.from_pylist(hub_rows()), tmp_path / "test-00000.parquet")
    first, second = local(tmp_path).samples()
    assert (first.id, first.target, first.cluster) == ("random:1", "yes", "coco:000000000001")
    assert first.data["record"].picture is second.data["record"].picture
    assert first.data["record"].picture.load().size == (8, 8)


def test_null_pixels_cost_one_sample(tmp_path):
    rows = hub_rows()
    rows[1]["image"] = None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test-00000.parquet")
    task = local(tmp_path)
    _, bad = task.samples()
    with pytest.raises(Unusable, match="row 2: field image is null"):
        next(task.episode(bad))


def test_an_answers_file_carries_its_questions(tmp_path):
    row = {
        "question_id": 4,
        "prompt": GOOD["text"] + "\nOne word.",
        "text": "No",
        "image": GOOD["image"],
        "label": "no",
    }
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(row | {"category": "popular"}))
    (sample,) = local(path, splits="popular").samples()
    assert sample.id == "popular:4" and sample.data["question"] == GOOD["text"] and sample.target == "no"
    path.write_text(json.dumps(row))
    with pytest.raises(UsageError, match="add a column category"):
        local(path).fingerprint()


def test_the_hub_out_of_reach():
    with pytest.raises(
        Missing, match=r"lmms-lab/POPE could not be loaded .*task.root=DIR, or use task.data=embedded"
    ) as e:
        pope(data="coco", revision="0" * 40).fingerprint()
    assert "\n" not in str(e.value)
    with pytest.raises(Missing, match=r"task\.data=gqa has no copy on the hub"):
        pope(data="gqa").fingerprint()


def test_clusters_are_global():
    assert cluster_of("COCO_val2014_000000310196", "coco") == "coco:000000310196"
    assert cluster_of("val2014/COCO_val2014_000000310196", "aokvqa") == "coco:000000310196"
    assert cluster_of("000000310196", "local") == "coco:000000310196"
    assert cluster_of("2405722", "gqa") == "gqa:2405722"
    assert cluster_of("siteA/1", "local") == "local:siteA/1"
    assert cluster_of("20000001", "calibration") == "embedded:20000001"


CELL = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2)
)


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, CELL)), max_size=8))
def test_no_row_breaks_the_reader(rows):
    table = Table("x.json", [GOOD | {"question_id": 0}, *rows], "random")
    records = unique(list(parse(table, "coco", lambda name, cell: Absent(name, ""))))
    assert len(records) == len(rows) + 1 and len({r.id for r in records}) == len(records)
    assert all(r.cluster and (r.fault or r.label in ("yes", "no")) for r in records)

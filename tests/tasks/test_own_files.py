"""Files and pictures of a user's own, in every task that reads them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from harness.cli import main
from harness.core import Unusable, UsageError
from harness.plugins.registry import Registry

TASKS = Registry().tasks
SITES = ("siteA", "siteB")


def picture(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), colour).save(path)


def written(path: Path, rows: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))


def seen(task, sample) -> list[tuple[int, int, int]]:
    request = next(task.episode(sample))
    return [p.load().getpixel((0, 0)) for p in request.pictures]


def test_one_bad_row_ends_nothing_and_holds_nothing_up(workdir):
    (workdir / "images").mkdir()
    picture(workdir / "images" / "good.png")
    (workdir / "images" / "loop.png").symlink_to(workdir / "images" / "loop.png")
    os.mkfifo(workdir / "images" / "pipe.png")
    picture(workdir.parent / "outside.png")
    row = {"text": "Is there a dog in the image?", "label": "no"}
    names = [
        "good.png",
        "a" * 300 + ".png",
        "loop.png",
        "pipe.png",
        "../outside.png",
        str(workdir.parent / "outside.png"),
    ]
    rows: list = [{"question_id": n, "image": name, **row} for n, name in enumerate(names)]
    rows += ['{"question_id": ' + "[" * 50000, {**rows[0], "question_id": 20, "text": "\ud83d?"}]
    rows += [{**rows[0], "question_id": 21, "text": "a " * 5_000_000}, {**rows[0], "question_id": 22}]
    written(workdir / "coco_pope_random.json", rows)
    began = time.perf_counter()
    words = ["task=pope", "task.data=local", "task.root=.", "task.splits=[random]", "model=tiny-llava", "logger=quiet"]
    assert main(["eval", *words]) == 3
    assert time.perf_counter() - began < 30
    (journal,) = Path("results/runs").glob("*/samples.jsonl")
    found = {r["id"]: r["error"] for r in map(json.loads, journal.read_text().splitlines())}
    assert [i for i, error in found.items() if not error] == ["random:0", "random:22"]
    assert len(found) == len(rows) and all(len(e["message"]) < 700 for e in found.values() if e)


def test_equal_names_in_two_folders_are_two_pictures(tmp_path):
    pope, spot, chair, stare = [], [], [], []
    for site, colour in zip(SITES, ("red", "blue"), strict=True):
        for folder in ("pope/images", "spot/screenspot_imgs", "chair/images", "stare/images"):
            picture(tmp_path / folder / site / "1.png", colour)
        name = f"{site}/1.png"
        pope.append({"question_id": site, "image": name, "text": "Is it?", "label": "no"})
        spot.append({"img_filename": name, "bbox": [1, 1, 9, 9], "instruction": "x", "data_type": "text"})
        chair.append({"image": name, "objects": ["dog"]})
        stare.append({"qid": site, "question": "Which? <image>", "answer": "A", "images": [name]})
    written(tmp_path / "pope" / "coco_pope_random.json", pope)
    written(tmp_path / "spot" / "screenspot_web.json", [json.dumps(spot)])
    written(tmp_path / "chair" / "mine.jsonl", chair)
    written(tmp_path / "stare" / "temporal.jsonl", stare)
    for name, folder, more in (
        ("pope", "pope", {"splits": ["random"]}),
        ("screenspot", "spot", {}),
        ("chair", "chair", {}),
        ("stare", "stare", {"sets": ["temporal"]}),
    ):
        task = TASKS[name].build(data="local", root=str(tmp_path / folder), **more)
        samples = list(task.samples())
        assert [seen(task, s) for s in samples] == [[(255, 0, 0)], [(0, 0, 255)]], name
        assert len({s.cluster for s in samples}) == len({s.id for s in samples}) == 2, name


def test_ids_that_count_from_0_or_occur_twice(tmp_path):
    spot = {"img_filename": "a.png", "bbox": [1, 1, 9, 9], "instruction": "x", "data_type": "text"}
    puzzle, node = {"question": "Which?", "answer": "A"}, {"listing": "0: 1", "centre": 0, "group": "red"}
    cases = {"screenspot": (spot, "id", "web"), "stare": (puzzle, "pid", "temporal"), "graph": (node, "id", "mine")}
    for name, (row, key, file) in cases.items():
        written(tmp_path / name / f"{file}.jsonl", [{**row, key: i} for i in (0, 1, 1, None)])
        samples = list(TASKS[name].build(data="local", root=str(tmp_path / name)).samples())
        assert [s.id for s in samples] == ["0", "1", "1#3", f"{file}:4"], name
        assert ["occurs twice" in s.data.get("fault", "") for s in samples] == [False, False, True, False], name


def test_files_of_one_name_in_two_folders_have_ids_of_their_own(tmp_path):
    """As RULER writes a folder for each length."""
    for length in (512, 1024):
        rows = [{"input": f"{length}?", "outputs": ["1234567"], "length": length}] * 2
        written(tmp_path / f"{length}/niah_single_1/validation.jsonl", rows)
    samples = list(TASKS["niah"].build(data="ruler", root=str(tmp_path)).samples())
    name = "niah_single_1/validation.jsonl"
    assert [s.id for s in samples] == [f"{length}/{name}:{n}" for length in (1024, 512) for n in (1, 2)]
    assert {s.data["record"].variant for s in samples} == {"single_1"}


def test_faults_of_rows_cost_these_rows(tmp_path):
    row = {"context": "text", "question": "How many?", "images_list": [], "answer": "[1, 2]"}
    row["meta"] = {"context_length": 10, "placed_depth": 0.1}
    options = {**row, "answer": 0, "meta": {**row["meta"], "choices": ["a <image>", "b"]}}
    written(tmp_path / "counting-text.jsonl", [row, {**row, "answer": "two"}])
    written(tmp_path / "retrieval-text.jsonl", [options])
    samples = TASKS["mm_niah"].build(data="val", root=str(tmp_path)).samples()
    assert [s.data.get("fault", "").partition(": ")[2] for s in samples] == [
        "",
        "field answer is 'two', not a number or a list of numbers",
        "meta.choices holds <image>, and pictures of options belong into meta.choices_image_path",
    ]


def test_broken_files_are_one_line_with_the_row(tmp_path):
    written(tmp_path / "objects.json", [json.dumps({str(i): ["dog"] for i in range(3)})])
    written(tmp_path / "ids.txt", ["1", '{"image_id": 1'])
    with pytest.raises(UsageError, match=r"ids\.txt is not JSON .*line 2, column 15"):
        list(
            TASKS["chair"]
            .build(data="local", root=str(tmp_path / "objects.json"), ids=str(tmp_path / "ids.txt"))
            .samples()
        )
    for name, file, text, says in (
        ("pope", "q.csv", "question_id,text\n1,a", r"q\.csv is a table, and these records are JSON lines"),
        ("pope", "q.jsonl", '{"text": "a', r"q\.jsonl holds no questions \(row 1 is not JSON \(Unterminated string"),
        ("niah", "empty.jsonl", "", r"task\.root=.*empty\.jsonl holds no rows: give RULER's files"),
    ):
        written(tmp_path / file, [text])
        with pytest.raises(UsageError, match=says):
            list(TASKS[name].build(data="local", root=str(tmp_path / file)).samples())
    written(tmp_path / "captions.json", ['{"annotations": [1], "images": []}'])
    written(tmp_path / "annotations_1_1_1.json", ["{}"])
    with pytest.raises(UsageError, match=r"captions\.json is not COCO's file of captions \(TypeError"):
        list(TASKS["mmneedle"].build(data="local", root=str(tmp_path / "annotations_1_1_1.json")).samples())


def test_ruler_files_of_any_length(tmp_path):
    rows = [{"input": "Which number?", "outputs": ["1234567"], "length": n} for n in (600, 4082, 4096)]
    written(tmp_path / "niah_single_1" / "validation.jsonl", rows)
    written(tmp_path / "niah_single_1" / ".ipynb_checkpoints" / "validation-checkpoint.jsonl", rows)
    niah = TASKS["niah"]
    assert niah.defaults["lengths"] == "auto"
    assert len(list(niah.build(data="ruler", root=str(tmp_path)).samples())) == 3
    assert len(list(niah.build(data="ruler", root=str(tmp_path), lengths=[4096]).samples())) == 1


def test_pixels_and_fractions_without_screenshots(tmp_path):
    """Sizes stated in the rows, or boxes and answers as fractions: answers are scored with no screenshot."""
    pixels = {"img_filename": "s/a.png", "bbox": [1000, 200, 1100, 250], "instruction": "x", "ui_type": "icon"}
    pixels["convention"] = "xyxy_pixels"
    parts = {**pixels, "bbox": [0.2, 0.2, 0.3, 0.3], "convention": "xyxy_normalized"}
    cases = {
        "pro": ({**pixels, "img_size": [3840, 2160]}, "lmms_v2", "[0.2734, 0.1042]"),
        "text": ({**pixels, "img_size": "[3840, 2160]"}, "thousand", "(273, 104)"),
        "v2": (parts, "normalized", "[0.25, 0.25]"),
        "hub": (parts, "lmms_v2", "(25%, 0.25)"),
        "seeclick": (pixels, "pixel", "(1050, 210)"),
    }
    for name, (row, parser, answer) in cases.items():
        written(tmp_path / name / "rows.json", [json.dumps([row])])
        task = TASKS["screenspot"].build(data="local", root=str(tmp_path / name), parser=parser)
        (record,) = task.source.records
        assert task.score(record, answer).scores == {"hit": 1, "unparsed": 0, "outside": 0}, name
    own = {"id": "a", "question": "Where?", "image": "a.png", "bbox": [0.2, 0.2, 0.3, 0.3]}
    sized = {**own, "bbox": [1000, 200, 1100, 250], "image_width": 3840, "image_height": 2160}
    for row, more in ((own, {}), (sized, {"bbox": "xyxy_pixels"})):
        written(tmp_path / "vqa" / "rows.jsonl", [row])
        for kind, key in (("point", "correct"), ("box", "iou")):
            task = TASKS["vqa"].build(root=str(tmp_path / "vqa"), kind=kind, **more)
            (record,) = task.source.records
            assert task.score(record, task.oracle(next(iter(task.samples())), None)).scores[key] > 0.99, (row, kind)
    task = TASKS["screenspot"].build(data="local", root=str(tmp_path / "hub"))
    with pytest.raises(Unusable, match=r"the answer is in pixels, and the size of s/a.png is not known"):
        task.score(task.source.records[0], "[500, 300]")

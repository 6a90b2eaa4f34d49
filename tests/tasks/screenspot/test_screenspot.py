"""ScreenSpot: every parser's cases, both averages, conventions of boxes, embedded records, whole runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.core import Outcome, Result
from harness.tasks.screenspot import generate
from harness.tasks.screenspot.pages import ICONS, LABELS, page
from harness.tasks.screenspot.parsers import PARSERS
from harness.tasks.screenspot.scoring import aggregate, hit
from harness.tasks.screenspot.sources import load
from tests.tasks.settings import settings_of

SAMPLE = Path(__file__).parent / "data" / "screenspot_v1_sample120.jsonl"
SIZE = (1000, 500)


@pytest.mark.parametrize(
    ("parser", "text", "point", "form"),
    [
        ("seeclick", "<box>(100,200),(300,400)</box>", (0.2, 0.3), "box"),
        ("seeclick", "[[0.1,0.2,0.3,0.4]]", (0.2, 0.3), "box"),
        ("seeclick", "(0.3, 0.4)", (0.3, 0.4), "point"),
        ("seeclick", "Step 1: click (0.3, 0.4)", None, "none"),
        ("seeclick", "a box somewhere", None, "none"),
        ("point_or_box", "[[0.1,0.2,0.3,0.4]]", (0.2, 0.3), "box"),
        ("point_or_box", "0.1, 0.2, 0.3, 0.4", (0.2, 0.3), "box"),
        ("point_or_box", "(10%, 20%), (30%, 40%)", (0.2, 0.3), "box"),
        ("point_or_box", '{"bbox_2d": [100, 100, 300, 200]}', (0.2, 0.3), "box"),
        ("point_or_box", '{"point_2d": [500, 125]}', (0.5, 0.25), "point"),
        ("point_or_box", "first (0.5, 0.3), not (0.1, 0.2) there", (0.5, 0.3), "point"),
        ("point_or_box", '{"x": 0.5, "y": 0.25, "w": 10, "h": 10}', (0.5, 0.25), "point"),
        ("point_or_box", "[.5, .25]", (0.5, 0.25), "point"),
        ("point_or_box", "there", None, "none"),
        ("lmms_v2", "[[0.1,0.2,0.3,0.4]]", (0.1, 0.2), "point"),
        ("lmms_v2", "Step 1: click (0.3, 0.4)", (0.3, 0.4), "point"),
        ("lmms_v2", "<bbox>0.1, 0.2, 0.3, 0.4</bbox>", (0.2, 0.3), "box"),
        ("lmms_v2", '{"x": 0.5, "y": 0.25}', (0.5, 0.25), "point"),
        ("lmms_v2", "[500, 250]", (0.5, 0.5), "point"),
        ("lmms_v2", "there", None, "none"),
        ("lmms_v1", "[0.1, 0.2, 0.3, 0.4]", (0.2, 0.3), "box"),
        ("lmms_v1", "[100, 200, 300, 400]", (0.2, 0.3), "box"),
        ("lmms_v1", "0.1, 0.2", (0, 0), "none"),
        ("pro_gpt", "[[0.5,0.25]]", (0.5, 0.25), "point"),
        ("pro_gpt", "[[0.1,0.2,0.3,0.4]]", (0.2, 0.3), "box"),
        ("pro_gpt", "no such element", None, "none"),
        ("ui_tars", "Action: click(start_box='(500,250)')", (0.5, 0.25), "point"),
        ("ui_tars", "click(point='<point>500 250</point>')", (0.5, 0.25), "point"),
        ("normalized", "[0.5, 0.25]", (0.5, 0.25), "point"),
        ("normalized", "at 0.1 0.2 0.3", None, "none"),
        ("thousand", "(500, 250)", (0.5, 0.25), "point"),
        ("pixel", "(500, 125)", (0.5, 0.25), "point"),
    ],
)
def test_parsers(parser, text, point, form):
    read = PARSERS[parser](text, SIZE)
    assert read.form == form
    if point is None:
        assert read.point is None
    else:
        assert read.point == pytest.approx((point[0] * SIZE[0], point[1] * SIZE[1]))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789.,[]()<>box/-xy'\" =\n", max_size=60), st.sampled_from(sorted(PARSERS)))
def test_any_answer_is_read_or_refused(text, parser):
    read = PARSERS[parser](text, SIZE)
    unread = (0, 0) if parser == "lmms_v1" else None
    assert read.point == unread if read.form == "none" else read.point is not None


@pytest.mark.parametrize(
    ("text", "v2", "v1"),
    [
        ("The bounding box is [0.40, 0.20, 0.60, 0.40].", (0.5, 0.3), (0.5, 0.3)),
        ("rectangle: 0.4, 0.2, 0.6, 0.4", (0.5, 0.3), (0, 0)),
        ("<BBOX>0.4 0.2 0.6 0.4</BBOX>", (0.5, 0.3), (0, 0)),
        ("<bbox id=1>10% 20% 30% 40%</ bbox>", (0.2, 0.3), (0, 0)),
        ('{"bbox_2d": [400, 100, 600, 200]}', (0.051, 1), (0.5, 0.15)),
        ("(0.40, 0.20, 0.60, 0.40)", (0.4, 0.2), (0.5, 0.3)),
        ("[[0.1,0.2,0.3,0.4]]", (0.1, 0.2), (0.2, 0.3)),
        ("(50%, 30%)", (0.5, 0.3), (0, 0)),
        ("[0.5 0.3]", (0.5, 0.3), (0, 0)),
        ("x=50%, then Y: 30%", (0.5, 0.3), (0, 0)),
        ("max: 0.5, my: 0.3", (0.5, 0.3), (0, 0)),
        ("[.5, .3]", (0.005, 0.006), (0, 0)),
        ("[0.5, 150]", (0.0005, 0.3), (0, 0)),
        ("there", None, (0, 0)),
    ],
)
def test_both_parsers_of_lmms_eval(text, v2, v1):
    """Values by lmms-eval 0.7.3; of 30000 answers made of such pieces all are read alike."""
    for parser, point in (("lmms_v2", v2), ("lmms_v1", v1)):
        read = PARSERS[parser](text, SIZE).point
        assert read == (point and pytest.approx((point[0] * SIZE[0], point[1] * SIZE[1])))


def test_borders_belong_to_the_box():
    assert hit((1, 2), (1, 2, 3, 4)) and hit((3, 4), (1, 2, 3, 4))
    assert not hit((3.01, 4), (1, 2, 3, 4)) and not hit(None, (1, 2, 3, 4))


def result(i: int, cell: str, right: bool) -> Result:
    scores = {"hit": float(right), "unparsed": 0.0, "outside": 0.0}
    return Result(f"{i}", f"s{i}", cell, None, Outcome("", scores))


@pytest.mark.parametrize(
    ("cells", "macro", "micro"),
    [((93.0, 72.9, 91.8, 62.9, 90.9, 74.3), 80.97, 82.48), ((78.0, 52.0, 72.2, 30.0, 55.7, 32.5), 53.4, None)],
)
def test_both_published_averages(cells, macro, micro):
    """OS-Atlas-7B and SeeClick, from their six cells and the official numbers of samples."""
    names = ("mobile_text", "mobile_icon", "desktop_text", "desktop_icon", "web_text", "web_icon")
    sizes = (273, 229, 194, 140, 230, 206)
    rows_, i = [], 0
    for name, n, share in zip(names, sizes, cells, strict=True):
        for k in range(n):
            rows_.append(result(i, name, k < round(n * share / 100)))
            i += 1
    found = {(m.name, m.group): m for m in aggregate(rows_)}
    assert 100 * found["avg_macro6", "all"].value == pytest.approx(macro, abs=0.1)
    if micro:
        assert 100 * found["avg_micro", "all"].value == pytest.approx(micro, abs=0.1)
    assert found["accuracy", "icon"].n == 575 and found["accuracy", "mobile"].n == 502


def metrics(pattern: str = "*") -> dict:
    (path,) = Path("results/runs").glob(pattern)
    return {(m["name"], m["group"]): m["value"] for m in json.loads((path / "metrics.json").read_text())}


@pytest.mark.parametrize(("shift", "score"), [(0.0, 1.0), (1.0, 0.0)])
def test_real_annotations(workdir, shift, score):
    """Clicks into the middle of 120 real boxes hit, and those half a box and a pixel to the right miss."""
    table = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    names = [r.id for r in load(settings_of("screenspot", data="local", root=str(SAMPLE))).records]
    answers = []
    for name, row in zip(names, table, strict=True):
        x, y, w, h = row["bbox"]
        answers.append({"id": name, "answer": f"({x + w / 2 + shift * (w / 2 + 1)}, {y + h / 2})"})
    Path("answers.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
    words = ["task.data=local", f"task.root={SAMPLE}", "task.parser=pixel", "model=replay", "model.path=answers.jsonl"]
    assert main(["eval", "task=screenspot", *words, "logger=quiet"]) == 0
    found = metrics()
    cells = [v for (name, group), v in found.items() if name == "accuracy" and "_" in group]
    assert cells == [score] * 6 and found["avg_macro6", "all"] == found["avg_micro", "all"] == score


@pytest.mark.parametrize("parser", PARSERS)
def test_oracle_hits_everything(workdir, parser):
    words = ["task.data=embedded", f"task.parser={parser}", "model=oracle", "logger=quiet"]
    assert main(["eval", "task=screenspot", *words]) == 0
    assert metrics()["avg_micro", "all"] == 1


def test_chance_is_the_share_of_the_screen(workdir):
    assert main(["eval", "task=screenspot", "task.data=embedded", "model=chance", "logger=quiet"]) == 0
    found = metrics()
    assert found["random_click", "all"] < 0.02
    assert found["avg_micro", "all"] == pytest.approx(found["random_click", "all"], abs=0.015)


def test_the_model_plays_it(workdir):
    assert main(["eval", "task=screenspot", "limit=36", "logger=quiet"]) == 0
    assert 0 <= metrics()["avg_micro", "all"] <= 1


def test_embedded_records():
    found = load(settings_of("screenspot")).records
    assert Counter(r.cell for r in found) == dict.fromkeys(
        ("mobile_text", "mobile_icon", "desktop_text", "desktop_icon", "web_text", "web_icon"), 60
    )
    pictures = {r.image: r.picture.load() for r in found}
    assert len(pictures) == 60
    for r in found:
        width, height = pictures[r.image].size
        x0, y0, x1, y1 = r.box
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        assert 0.0002 <= (x1 - x0) * (y1 - y0) / (width * height) <= 0.03
        part = pictures[r.image].crop((int(x0), int(y0), int(x1) + 1, int(y1) + 1)).convert("L")
        low, high = part.getextrema()
        assert high - low > 60, f"{r.id} is hardly visible"
    per_page = Counter((r.image, r.instruction) for r in found)
    assert max(per_page.values()) == 1


@pytest.mark.parametrize("platform", ["mobile", "desktop", "web"])
def test_instructions_mean_one_control(platform):
    """2000 pages in all: no instruction twice, labels and pictures once."""
    import random

    for seed in range(667):
        made = page(platform, random.Random(seed))
        said = [t.instruction for t in made.targets]
        assert len(set(said)) == len(said) == 16
        assert all(made.html.count(f'data-target="{t.mark}"') == 1 for t in made.targets)


def test_no_two_controls_share_an_instruction():
    said = [w for _, words in ICONS.values() for w in words] + [w for _, words in LABELS for w in words]
    assert len(set(said)) == len(said)


def test_instructions_are_rebuilt_equal():
    assert generate.main(["--check"]) == 0


def test_boxes_of_all_conventions(tmp_path):
    v1 = [{"img_filename": "pc_a.png", "bbox": [10, 20, 30, 40], "instruction": "x", "data_type": "icon"}]
    v1[0]["data_source"] = "windows"
    (tmp_path / "screenspot_desktop.json").write_text(json.dumps(v1))
    (record,) = load(settings_of("screenspot", data="v1", root=str(tmp_path))).records
    assert (record.box, record.cell, record.normalized) == ((10, 20, 40, 60), "desktop_icon", False)
    pro = {"id": "cad_1", "img_filename": "a.png", "bbox": [10, 20, 30, 40], "img_size": [3840, 2160]}
    pro |= {"instruction": "x", "ui_type": "text", "group": "CAD"}
    (tmp_path / "pro").mkdir()
    (tmp_path / "pro" / "cad.json").write_text(json.dumps([pro]))
    (record,) = load(settings_of("screenspot", data="pro", root=str(tmp_path / "pro"))).records
    assert (record.id, record.box, record.cell) == ("cad_1", (10, 20, 30, 40), "CAD_text")


def test_hub_rows_are_normalised(monkeypatch, workdir):
    picture = load(settings_of("screenspot")).records[0].picture.encoded()
    rows_ = [{"file_name": "a.png", "bbox": [0.1, 0.2, 0.3, 0.4], "instruction": "x", "data_type": "text"}]
    rows_[0] |= {"data_source": "ios", "image": {"bytes": picture, "path": None}}
    made = datasets.Dataset.from_list(rows_).cast_column("image", datasets.Image())
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: made)
    (record,) = load(settings_of("screenspot", data="v1")).records
    assert record.normalized and record.cell == "mobile_text"
    assert main(["eval", "task=screenspot", "task.data=v1", "model=oracle", "logger=quiet"]) == 0
    assert metrics()["avg_micro", "all"] == 1


def test_bad_records_cost_one_row_each(workdir):
    good = {"img_filename": "a.webp", "bbox": [1, 1, 5, 5], "instruction": "x", "data_type": "icon", "platform": "web"}
    bad = [{"bbox": [1, 2]}, {"bbox": [5, 5, 0, 5]}, {"instruction": ""}, {"img_filename": "absent.png"}]
    bad += [{"bbox": "1,2,3,4"}, {"bbox": [1, 1, 9000, 5]}]
    lines = [json.dumps(good), *(json.dumps(good | b) for b in bad), "[1]", "{broken"]
    Path("r.jsonl").write_text("\n".join(lines) + "\n")
    Path("a.webp").write_bytes(load(settings_of("screenspot")).records[0].picture.encoded())
    words = ["task.data=local", "task.root=r.jsonl", "model=oracle", "logger=quiet"]
    assert main(["eval", "task=screenspot", *words]) == 3
    (journal,) = Path("results/runs").glob("*/samples.jsonl")
    errors = [json.loads(line)["error"] for line in journal.read_text().splitlines()]
    assert sum(e is None for e in errors) == 1 and len(errors) == 9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["task.data=moon"], "task.data=moon is unknown"),
        (["task.parser=x"], "task.parser=x is unknown: choose one of point_or_box"),
        (["task.prompt=click"], "write a text with {} in it"),
        (["task.bbox=x"], "task.bbox=x is unknown"),
        (["task.data=local"], "name their folder or file"),
        (["task.data=v1", "task.root=nowhere"], "task.root=nowhere does not exist"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, says):
    assert main(["eval", "task=screenspot", "model=oracle", *words]) in (2, 3)
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1

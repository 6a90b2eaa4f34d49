"""harness calibrate and harness tune on the embedded model, with a handful of pictures."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import yaml

from harness.cli import main
from harness.core import Metric
from harness.engine.annotated import EMBEDDED, Data
from harness.engine.artefacts import records
from harness.methods.activations import iri
from harness.plugins.plugin import Plugin
from harness.plugins.registry import ROOT, Registry
from harness.runs.record import RunRecord
from harness.stats import Difference

METHOD = """
import torch
from harness.steering import Steering

class Lean(Steering):
    name = "lean"

    def __init__(self, towards: float):
        self.towards = towards

    def logits(self, z, run):
        shift = torch.zeros_like(z)
        shift[:, NO] = self.towards
        return z + shift
"""
CARD = """_target_: lean.Lean
kind: steering
card: {title: Lean towards No, paper: null, year: 2026, repository: null, idea: A constant., hooks: step logits,
       cost: 1x, differs: nothing, confidence: high}
defaults: {towards: 0.0}   # a comment that stays
neutral: {towards: 0.0}
tune: {towards: [0.0, 50.0]}
presets: []
"""


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Twelve annotated pictures, in the layout for one's own data."""
    lines = []
    for row in pq.read_table(EMBEDDED).slice(0, 12).to_pylist():
        (tmp_path / f"{row['image']}.png").write_bytes(row["bytes"])
        lines.append(json.dumps({"image": f"{row['image']}.png", "objects": row["objects"]}))
    path = tmp_path / "pictures.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_both_layouts_hold_the_same_pictures(pictures):
    own, embedded = Data(str(pictures)).pictures(), Data("embedded").pictures()[:12]
    assert [p.digest for p, _ in own] == [p.digest for p, _ in embedded]
    assert [o for _, o in own] == [o for _, o in embedded]


def test_calibrate_stores_and_eval_reuses(workdir, pictures, capsys):
    words = ("method=iri", f"calibration={pictures}", "method.iri.noise=5")
    assert main(["calibrate", *words]) == 0
    first = capsys.readouterr().out
    assert "calibrating iri" in first and "12 pictures" in first
    assert main(["calibrate", *words]) == 0
    assert capsys.readouterr().out == first.partition("\n")[2]
    assert main(["eval", "task=pope", "limit=36", *words]) == 0
    assert "calibrating" not in capsys.readouterr().out
    (record,) = (json.loads(p.read_text()) for p in Path("results/runs").glob("*/run.json"))
    (artefact,) = Path("results/calibration").iterdir()
    assert record["calibrations"][0]["directory"] == artefact.name
    assert record["identity"]["methods"][0]["calibration"]
    assert main(["ls"]) == 0
    assert artefact.name in capsys.readouterr().out


def test_an_interrupted_calibration_resumes(workdir, pictures, monkeypatch):
    words = ["calibrate", "method=iri", f"calibration={pictures}", "method.iri.noise=5"]
    assert main(words) == 0
    (artefact,) = Path("results/calibration").glob("*/artefact.safetensors")
    whole = artefact.read_bytes()
    shutil.rmtree(artefact.parent)
    traced, asked = iri.traced, []

    def counting(view, methods, clean, *more):
        asked.append(clean)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return traced(view, methods, clean, *more)

    monkeypatch.setattr(iri, "traced", counting)
    assert main(words) == 130
    interrupted = len((artefact.parent / "trials.jsonl").read_text().splitlines())
    assert main(words) == 0
    questions = sum(min(3, len(objects)) for _, objects in Data(str(pictures)).pictures())
    assert interrupted == 2 and len(asked) == questions + 1, "the two that were kept are not traced again"
    assert artefact.read_bytes() == whole and not (artefact.parent / "trials.jsonl").exists()
    record = artefact.with_name("calibration.json")
    record.write_bytes(record.read_bytes()[:100])  # as a power cut leaves it
    assert records(Path("results")) == [] and main(words) == 0
    assert json.loads(record.read_text())["method"] == "iri"


def test_other_data_is_another_run(workdir, pictures):
    for lines in (12, 9):
        text = "".join(pictures.read_text().splitlines(keepends=True)[:lines])
        pictures.write_text(text)
        assert main(["eval", "task=pope", "limit=18", "method=iri", f"calibration={pictures}"]) == 0
    assert len(list(Path("results/calibration").iterdir())) == len(list(Path("results/runs").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["method=vista"], "vista needs no calibration"),
        (["method=iri", "calibration=nowhere.jsonl"], "nowhere.jsonl is not a file"),
        (["method=iri", "model=llava-1.5-7b", "model.path=."], "add calibration=FILE"),
        (["model=tiny-llava"], "name a method"),
    ],
)
def test_what_cannot_be_calibrated(workdir, capsys, words, says):
    assert main(["calibrate", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_row_without_objects_is_named(workdir, capsys):
    Path("p.jsonl").write_text('{"image": "a.png"}\n')
    assert main(["calibrate", "method=iri", "calibration=p.jsonl"]) == 2
    assert "row 1: needs image" in capsys.readouterr().err


def test_tune_writes_the_best_point_and_eval_takes_it(workdir, capsys):
    from transformers import AutoTokenizer

    folder = workdir / "mine"
    folder.mkdir()
    no = AutoTokenizer.from_pretrained(ROOT / "harness/models/tiny/weights").encode(" No", add_special_tokens=False)
    (folder / "lean.py").write_text(METHOD.replace("NO", str(no[-1])))
    (folder / "lean.yaml").write_text(CARD)
    words = ("method=lean", "task=pope", "limit=180", f"plugins=[{folder}]")
    assert main(["tune", *words, "--dry"]) == 0
    assert (folder / "lean.yaml").read_text() == CARD
    for _ in range(2):  # the second time replaces the first preset
        assert main(["tune", *words]) == 0
    out = capsys.readouterr().out
    assert re.search(r"lean towards=50.0: accuracy 0\.500", out)  # "No" to everything
    text = (folder / "lean.yaml").read_text()
    (preset,) = yaml.safe_load(text)["presets"]
    assert "a comment that stays" in text
    assert preset["values"] == {"towards": 0.0} and (preset["model"], preset["task"]) == ("tiny-llava", "pope")
    assert preset["source"].startswith("harness tune on pope/calibration (180 samples, seed 0, 2 points): accuracy ")
    assert "difference +0.000 [0.000, 0.000]" in preset["source"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["method=vista", "task=pope", "method.vista.nothing=1,2"], "unknown setting method.vista.nothing: vista has"),
        (["method=vanilla", "task=pope"], "method=vanilla has no grid: list values"),
        (["method=stride", "task=pope"], "has no grid (The budget is your choice of cost, and a larger one loses"),
        (["method=vanilla,vista", "task=pope"], "name one method"),
        (["method=vista", "task=pope", f"method.vista.lam={','.join(map(str, range(201)))}"], "has 201 points"),
    ],
)
def test_what_cannot_be_tuned(workdir, capsys, words, says):
    assert main(["tune", *words]) == 2
    assert says in capsys.readouterr().err


def test_saying_nothing_is_not_the_best(monkeypatch):
    """CHAIR of captions without any object is 0, and their difference to vanilla is not a number."""
    from harness.engine.tuning import Tuning

    made = Tuning(Registry().methods["snapkv"], {"method.snapkv.window": ["8", "32"]}, lambda name: None)
    record = RunRecord.of(
        {"status": "done", "task": "chair", "model": "m", "method": "vanilla", "config": {"model": {}}}
    )
    made.base, made.runs = SimpleNamespace(record=record), [({}, made)] * 2
    monkeypatch.setattr(Tuning, "vanilla", Metric("chair_i", 0.1, primary=True, higher_is_better=False))
    nothing, worse = Difference(math.nan, 0, None, None, 1, 9, 9), Difference(0.2, 0, 0.1, 0.3, 0.1, 9, 9)
    monkeypatch.setattr(
        Tuning, "rows", lambda self: iter([({"window": 8}, 0.3, worse), ({"window": 32}, 0.0, nothing)])
    )
    assert made.best()["values"] == {"window": 8}
    monkeypatch.setattr(Tuning, "rows", lambda self: iter([({"window": 32}, 0.0, nothing)]))
    assert made.best()["values"] == {"window": 32}


def test_a_value_set_for_all_points_is_part_of_the_grid_and_so_of_the_preset():
    from harness.engine.tuning import grid_of

    vista = Registry().methods["vista"]
    lam, gamma = "method.vista.lam", "method.vista.gamma"
    own = {f"method.vista.{k}": [str(x) for x in v] for k, v in vista.raw["tune"].items()}
    assert grid_of(vista, ["task=pope"]) == own
    assert grid_of(vista, [f"{lam}=0.01,0.05", f"{gamma}=0.0"]) == {lam: ["0.01", "0.05"], gamma: ["0.0"]}
    assert grid_of(vista, [f"{gamma}=0.0"]) == own | {gamma: ["0.0"]}


def test_a_preset_is_written_as_yaml_reads_it(tmp_path):
    from harness.engine.tuning import write_preset

    path = tmp_path / "mine.yaml"
    path.write_text("_target_: a.B\nkind: pipeline\ndefaults: {a: 0.1, b: 1.0, c: x, d: false}\n")
    values = {"a": 1e-05, "b": -2e16, "c": "y", "d": True}
    write_preset(Plugin("mine", "method", path, "a.B"), {"model": "m", "task": "t", "values": values, "source": "s"})
    (preset,) = yaml.safe_load(path.read_text())["presets"]
    assert preset["values"] == values

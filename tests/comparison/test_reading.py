"""Readings of two runs paired by sample, Holm over layers, and what tells right answers."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

import harness
from harness.cli import main
from harness.comparison.reading import Told, telling
from harness.comparison.table import bars, spans
from harness.runs import columns
from harness.runs.columns import Column
from harness.runs.stored import StoredRun

WORDS = ["eval", "task=pope", "limit=180", "logger=quiet", "seed=0"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """VISTA and vanilla on tiny-llava, both read."""
    folder = tmp_path_factory.mktemp("compared")
    for method in ("[image_attention,lost]", "[vista,image_attention,lost]"):
        more = ["lam=0.4"] if "vista" in method else []
        assert main([*WORDS, f"method={method}", *more, f"results={folder}"]) == 0
    return folder


def test_numbers_and_curves_are_paired(results, monkeypatch, capsys):
    vista, plain = harness.runs(results)
    found = harness.compare(plain, vista).inside
    number = {n.name: n for n in found.numbers}["image_attention.image"]
    one, two = plain.reading(number.name), vista.reading(number.name)
    assert number.difference.value == pytest.approx(np.mean([two[i].value - one[i].value for i in one]), abs=1e-6)
    assert number.difference.clusters == 10 and number.difference.low is not None
    curve = {c.name: c for c in found.curves}["image_attention.image_layers"]
    layers = np.stack(
        [
            two[i].values - one[i].values
            for two, one in [(vista.reading(curve.name), plain.reading(curve.name))]
            for i in one
        ]
    )
    np.testing.assert_allclose([d.value for d in curve.differences], layers.mean(0), atol=1e-6)
    assert curve.holm and all(h >= (d.p or 0) for h, d in zip(curve.holm, curve.differences, strict=True))
    monkeypatch.setenv("COLUMNS", "200")
    for form in ([], ["--markdown"]):
        assert main(["compare", plain.name, vista.name, "--results", str(results), *form]) == 0
        said = capsys.readouterr().out
        assert "image_attention.image" in said and "differs at (Holm)" in said and "tells right" in said
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["compare", plain.name, vista.name, "--results", str(results)]) == 0
    narrow = capsys.readouterr().out
    assert re.search(r"^  a 0\.\d+  b 0\.\d+  difference ", narrow, re.MULTILINE) and "tells right (b) 0." in narrow
    assert main(["compare", plain.name, vista.name, "--results", str(results), "--json"]) == 0
    (printed,) = json.loads(capsys.readouterr().out)
    assert {n["name"] for n in printed["inside"]["numbers"]} == {n.name for n in found.numbers}
    assert "image_attention.image" in harness.compare(plain, vista)._repr_html_()


def test_auroc_of_every_number_and_state(results):
    plain = harness.runs(results)[1]
    rows = {row["reading"]: row for row in plain.auroc()}
    assert {"lost.entropy", "lost.state", "image_attention.image"} <= rows.keys()
    assert rows["lost.entropy"]["n"] == 180 and rows["lost.entropy"]["auroc"] < 0.5 < rows["lost.confidence"]["auroc"]
    assert all(row["low"] is None or row["low"] <= row["auroc"] <= row["high"] for row in rows.values())


def test_runs_without_readings_are_compared_as_ever(results, tmp_path):
    shutil.copytree(results / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("readings*"))
    plain = harness.runs(tmp_path)[1]
    found = harness.compare(plain, plain).inside
    assert dataclasses.astuple(found) == ([], []) and len(plain.auroc()) == 0


def test_undefined_readings_are_left_out():
    right = np.arange(48) % 2 == 0
    run = Told({}, right.astype(float), np.array([f"c{i % 12}" for i in range(48)], object))
    values = np.where(np.arange(48) % 3 == 0, np.nan, right).astype(np.float32)
    column = Column("p.x", (), (), np.arange(48)[::-1], values[::-1], (0.0, 1.0))
    found = telling(run, column)
    assert found.n == 32 and found.value == 1.0
    assert telling(run, column.first(0)).n == 0
    uncounted = dataclasses.replace(run, right=np.where(right, np.nan, 0.0))
    assert telling(uncounted, column).n == 16


def test_runs_are_not_read_at_once(results, monkeypatch):
    """Arrays of many samples are mapped from disk, and the numbers are the same; samples of one run alone, and an
    order of its own, move no pair."""
    vista, plain = harness.runs(results)
    before = [dataclasses.astuple(harness.compare(plain, vista).inside), list(plain.auroc())]
    monkeypatch.setattr(columns, "SMALL", 64)
    monkeypatch.setattr(columns.stored, "ROWS", 300)
    monkeypatch.setattr(StoredRun, "readings", None)
    assert str([dataclasses.astuple(harness.compare(plain, vista).inside), list(plain.auroc())]) == str(before)
    shuffled = [*StoredRun.results(vista.stored)][::-1][20:]
    monkeypatch.setattr(
        StoredRun, "results", lambda run, all_=StoredRun.results: shuffled if run == vista.stored else all_(run)
    )
    number = {n.name: n for n in harness.compare(plain, vista).inside.numbers}["lost.entropy"]
    monkeypatch.undo()
    one, two = (run.reading("lost.entropy") for run in (plain, vista))
    wanted = np.mean([two[r.id].value - one[r.id].value for r in shuffled])
    assert number.difference.value == pytest.approx(wanted, abs=1e-6) and number.right[0].n == 180


def test_layers_in_words_and_bars():
    assert spans([0, 3, 4, 5, 7]) == "0, 3-5, 7" and spans([]) == ""
    assert bars([0.0, 1.0], [0.5, float("nan")]) == ["▁█", "▅ "]
    assert bars([1.0, 1.0]) == ["▁▁"]

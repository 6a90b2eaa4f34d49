"""Readings as arrays: equal to reading all of them, of ended and of running runs, of old files, in bounded memory."""

from __future__ import annotations

import tempfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.core.readings import Reading
from harness.core.types import Outcome, Result
from harness.runs import columns as module
from harness.runs.columns import columns
from harness.runs.readings import FILE, Recorder, chosen, read

IDS = [f"s{i}" for i in range(30)]
NUMBER = {s: i for i, s in enumerate(IDS) if i != 4}


def found(i: int) -> dict[str, Reading]:
    rng = np.random.default_rng(i)
    one = {
        "p.n": Reading(rng.random(), within=(0.0, 1.0)),
        "p.curve_layers": Reading([rng.random(), np.nan, i], ("layer",)),
        "p.heads": Reading(rng.random((2, 3)), ("layer", "head")),
        "p.steps": Reading(rng.random(1 + i % 3), ("step",)),
        "p.map": Reading(rng.random((2, 2)), ("row", "column"), (0.0, 0.0, 1.0, 0.5)),
        "p.ragged": Reading(rng.random(2 + i % 2), ("layer",)),
    }
    return one if i % 2 else {k: v for k, v in one.items() if k != "p.n"}


@pytest.fixture(params=["ended", "running", "old"])
def folder(request, tmp_path):
    recorder = Recorder(tmp_path, chosen(IDS, 6))
    results = [Result(s, "c", "g", "t", Outcome("yes", {}), readings=found(i)) for i, s in enumerate(IDS)]
    recorder.take(results[:20], probing=True)
    if request.param != "running":
        recorder.finish(IDS)
    recorder.take(results[20:], probing=True)
    if request.param == "running":
        recorder.take([Result("s1", "c", "g", "t", Outcome("yes", {}), readings={"p.n": Reading(9.0)})], probing=True)
    else:
        recorder.finish(IDS)
    if request.param == "old":
        pq.write_table(pq.read_table(tmp_path / FILE).drop_columns(["within"]), tmp_path / FILE)
    return tmp_path


def test_they_are_what_is_read_at_once(folder, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 64)
    monkeypatch.setattr(module, "STEPS", 2)
    monkeypatch.setattr(module.stored, "ROWS", 7)
    every, maps = read(folder), {}
    got = {c.name: c for c in columns(folder, NUMBER, lambda n, name, map_: maps.update({(n, name): map_}))}
    assert sorted(got) == ["p.curve_layers", "p.heads", "p.n", "p.ragged", "p.steps"]
    assert list(got) == list(dict.fromkeys(name for one in every.values() for name in one if name != "p.map"))
    for name, column in got.items():
        rows = [(NUMBER[s], one[name]) for s, one in every.items() if name in one and s in NUMBER]
        assert sorted(column.at.tolist()) == sorted(n for n, _ in rows)
        whole = name != "p.ragged"
        assert column.axes == (rows[0][1].axes if whole else ()) and column.whole == whole
        assert column.read == rows[0][1].axes
        for n, one in rows:
            own = column.values[column.at.tolist().index(n)]
            if name == "p.steps":
                np.testing.assert_allclose(
                    own, [*one.values, np.nan, np.nan][:2] if len(one.values) < 2 else one.values[:2]
                )
            else:
                np.testing.assert_allclose(own, one.values if whole else one.value, rtol=1e-6)
    assert {n for n, _ in maps} == {NUMBER[s] for s, one in every.items() if "p.map" in one and s in NUMBER}
    assert all(m.box == (0, 0, 1, 0.5) for m in maps.values())


def test_bounds_are_kept_where_they_were_written(folder):
    (n,) = (c for c in columns(folder, NUMBER) if c.name == "p.n")
    old = "within" not in pq.read_schema(folder / FILE).names if (folder / FILE).exists() else False
    assert n.within == ((-np.inf, np.inf) if old else (0.0, 1.0))


def test_a_run_without_readings_has_none(tmp_path):
    assert columns(tmp_path, NUMBER) == []


def test_many_readings_need_few_open_files(tmp_path, monkeypatch):
    opened = []
    real = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *args, **more: opened.append(args) or real(*args, **more))
    recorder = Recorder(tmp_path, chosen(IDS, 6))
    read_ = {f"p.n{k}": Reading(float(k)) for k in range(60)} | {"p.long_layers": Reading(np.arange(3e5), ("layer",))}
    recorder.take([Result("s0", "c", "g", "t", Outcome("yes", {}), readings=read_)], probing=True)
    recorder.finish(IDS)
    found = {c.name: c for c in columns(tmp_path, NUMBER)}
    assert len(opened) == 1 and len(found) == 61, "the one array that is large"
    np.testing.assert_array_equal(found["p.long_layers"].values[0], np.arange(3e5, dtype=np.float32))
    assert found["p.n59"].values.tolist() == [59.0]

"""What probes read of a run: written before the journal, bounded, and one Parquet file at the end."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.readings import Reading
from harness.core.types import Outcome, Result
from harness.runs import readings
from harness.runs.columns import columns
from harness.runs.readings import FILE, LOG, Recorder, chosen, read
from harness.runs.record import Damaged

HEADS = Reading(np.arange(6).reshape(2, 3) / 7, ("layer", "head"))
MAP = Reading(np.eye(4) * 1e6, ("row", "column"), (0.0, 0.25, 1.0, 0.75))
ALL = {"p.n": Reading(1 / 3), "p.layers": Reading([0.1, np.nan], ("layer",)), "p.heads": HEADS, "p.map": MAP}


def result(id_, found=ALL):
    return Result(id_, "c", "g", "t", Outcome("yes", {"correct": 1.0}), readings=found)


def test_what_is_written_is_read_with_the_precision_of_float16(tmp_path):
    recorder = Recorder(tmp_path, chosen(["a", "b"], 2))
    (bare, failed) = recorder.take([result("a"), replace(result("b"), outcome=None)], probing=True)
    assert not bare.readings and not failed.readings and recorder.ids == {"a"}
    for finished in (False, True):
        if finished:
            assert recorder.finish(["a", "b"]) == 1 and not (tmp_path / LOG).exists()
        (one,) = read(tmp_path).values()
        assert one.keys() == ALL.keys() and one["p.map"].box == MAP.box
        assert one["p.n"].values == np.float32(1 / 3), "numbers are kept as they are"
        for name, reading in one.items():
            assert reading.axes == ALL[name].axes
            np.testing.assert_allclose(reading.values, ALL[name].values, rtol=2**-11)
        assert one["p.layers"].value == pytest.approx(0.1, rel=2**-11)


@pytest.mark.parametrize("size", [0, 100])
def test_a_file_that_was_cut_short_is_named(tmp_path, size):
    Recorder(tmp_path, chosen(["a"], 1)).take([result("a")], probing=True)
    Recorder(tmp_path, chosen(["a"], 1)).finish(["a"])
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:size])
    for ask in (read, readings.table, lambda folder: columns(folder, {"a": 0})):
        with pytest.raises(Damaged, match=r"readings\.parquet cannot be read .*: delete it, and the run's command"):
            ask(tmp_path)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=False, allow_subnormal=False), min_size=1))
def test_rounding_is_to_the_nearest_of_eleven_bits(values):
    x = np.array(values, np.float32)
    with np.errstate(over="ignore"):
        got = Reading(x[None], ("head", "step")).packed()
        assert np.array_equal(np.isnan(got), np.isnan(x))
        fits = np.isfinite(x) & (np.abs(x) < 6e4) & (np.abs(x) > 1e-4)
        np.testing.assert_array_less(np.abs(got - x)[fits], np.abs(x)[fits] * 2**-11 * (1 + 1e-6) + 1e-30)


def test_full_arrays_are_kept_of_some_samples_the_same_in_every_run(tmp_path):
    ids = [f"s{i}" for i in range(40)]
    some = chosen(ids, 5)
    assert some.ids == chosen(reversed(ids), 5).ids and len(some.ids) == 5
    Recorder(tmp_path, some).take([result(i) for i in ids], probing=True)
    for id_, one in read(tmp_path).items():
        assert set(one) == (set(ALL) if id_ in some.ids else {"p.n", "p.layers"})
    none = chosen(ids, 0)
    assert set(none.of(result("s1"))) == {"p.n", "p.layers"}


def test_later_rows_count_and_a_torn_line_costs_itself(tmp_path):
    recorder = Recorder(tmp_path, chosen(["a", "b"], 9))
    recorder.take([result("a"), result("b")], probing=True)
    recorder.finish(["a", "b"])
    again = Recorder(tmp_path, chosen(["a", "b"], 9))
    assert again.ids == {"a", "b"}
    again.take([result("a", {"p.n": Reading(5.0)})], probing=True)
    with (tmp_path / LOG).open("a") as file:
        file.write('{"id": "b", "rows": [{"na')
    again.take([result("c", {})], probing=True)
    assert {n: r.value for n, r in read(tmp_path)["a"].items()} == {"p.n": 5.0}
    assert read(tmp_path)["b"].keys() == ALL.keys() and read(tmp_path)["c"] == {}
    assert again.finish(["a", "c"]) == 2
    assert read(tmp_path).keys() == {"a", "c"}, "what the run does not hold is left out"
    assert readings.table(tmp_path).column("id").to_pylist() == ["a"]


def test_without_probes_nothing_is_written(tmp_path):
    recorder = Recorder(tmp_path, chosen(["a"], 9))
    recorder.take([result("a", {})], probing=False)
    assert recorder.finish(["a"]) is None and list(tmp_path.iterdir()) == []
    assert read(tmp_path) == {} and readings.table(tmp_path).num_rows == 0


def test_a_damaged_file_is_as_none(tmp_path):
    (tmp_path / FILE).write_bytes(b"PAR1 cut short")
    assert Recorder(tmp_path, chosen(["a"], 9)).ids == set() and not (tmp_path / FILE).exists()


@pytest.mark.parametrize(("values", "axes"), [([1.0], ()), (1.0, ("layer",)), ([1.0], ("depth",))])
def test_values_and_axes_fit_together(values, axes):
    with pytest.raises(ValueError, match="a reading"):
        Reading(values, axes)


def test_lines_are_json_that_anyone_reads(tmp_path):
    Recorder(tmp_path, chosen(["a"], 9)).take([result("a")], probing=True)
    (line,) = (tmp_path / LOG).read_text().splitlines()
    assert {row["name"] for row in json.loads(line)["rows"]} == ALL.keys()

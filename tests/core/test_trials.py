"""A calibration that is interrupted resumes, and tells how far it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import trials
from harness.core.trials import Trials


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9), st.data())
def test_it_resumes_wherever_it_was_cut(tmp_path_factory, values, data):
    path = tmp_path_factory.mktemp("trials") / "trials.jsonl"
    assert Trials(path)(range(len(values)), values.__getitem__) == values
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    asked = []

    def measure(step: int) -> float | None:
        asked.append(step)
        return values[step]

    assert Trials(path)(range(len(values)), measure) == values
    assert asked == list(range(whole[:cut].count(b"\n"), len(values)))
    assert path.read_bytes() == whole


def test_what_a_power_cut_left_is_measured_again(tmp_path):
    path = tmp_path / "trials.jsonl"
    path.write_bytes(b"1\n2\n\0\0\0\n4\n")
    assert Trials(path)([1, 2, 3, 4], lambda step: 10 * step) == [1, 2, 30, 40]
    assert path.read_text() == "1\n2\n30\n40\n"


def test_it_tells_its_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "EVERY", -1.0)
    said = []
    run = Trials(tmp_path / "trials.jsonl", said.append)
    with pytest.raises(ZeroDivisionError):
        run([2, 1, 0], lambda step: 1 / step)
    assert run([2, 1, 4], lambda step: 1 / step) == [0.5, 1.0, 0.25]
    assert said == ["1/3, 0 s left", "2/3, 0 s left", "2/3 are done already"]


def test_without_a_file_nothing_is_kept():
    assert [Trials()([1, 2], float) for _ in range(2)] == [[1.0, 2.0]] * 2

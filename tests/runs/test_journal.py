from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from harness.core import Outcome, Result
from harness.runs.journal import Journal, decode, encode, read

text = st.text(st.characters(), max_size=30)
results = st.builds(
    Result,
    id=text,
    cluster=text,
    group=text,
    target=text | st.none(),
    outcome=st.builds(
        Outcome,
        answer=text,
        scores=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False)),
        verdict=text | st.none(),
        details=st.dictionaries(st.text(max_size=5), text),
    ),
    latency=st.floats(0, 10),
    calls=st.integers(0, 5),
)


@given(results)
def test_round_trip(result):
    line = encode(result)
    assert "\n" not in line and line.isascii()
    assert decode(json.loads(line)) == result


def rows(n):
    return [Result(f"s{i}", "c", "g", "yes", Outcome("é\n" * i, {"correct": i / 3})) for i in range(n)]


@given(st.integers(0, 400))
def test_any_cut_leaves_whole_results_and_can_go_on(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("journal") / "samples.jsonl"
    journal = Journal(path)
    journal.append(rows(6))
    journal.close()
    data = path.read_bytes()
    path.write_bytes(data[: min(cut, len(data))])
    journal = Journal(path)
    kept = journal.finished
    assert kept == rows(6)[: len(kept)]
    journal.append(rows(6)[len(kept) :])
    journal.close()
    assert path.read_bytes() == data


def test_error_rows_can_be_dropped(tmp_path):
    path = tmp_path / "samples.jsonl"
    journal = Journal(path)
    bad = Result("b", "c", "g", "yes", None, {"type": "Unusable", "message": "m", "traceback": ""})
    journal.append([*rows(2), bad])
    journal.close()
    assert [r.id for r in read(path)] == ["s0", "s1", "b"]
    journal = Journal(path, drop_errors=True)
    journal.close()
    assert [r.id for r in read(path)] == ["s0", "s1"]


def test_floats_survive_bit_for_bit(tmp_path):
    value = math.nextafter(1 / 3, 1)
    journal = Journal(tmp_path / "samples.jsonl")
    journal.append([Result("a", "c", "g", None, Outcome("", {"x": value}))])
    journal.close()
    assert read(tmp_path / "samples.jsonl")[0].outcome.scores["x"] == value

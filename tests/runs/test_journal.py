"""The journal: what was finished is never lost, and what is damaged is never taken for a result."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core import Outcome, Result
from harness.runs.journal import Journal, decode, encode, intact, read, scan, write

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
        scores=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)),
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


def plain(results):
    """The lines of a version whose journals had no checksums."""
    return [json.dumps({k: v for k, v in json.loads(encode(r)).items() if k != "crc32"}) + "\n" for r in results]


@given(st.integers(0, 500))
def test_any_cut_leaves_whole_results_and_can_go_on(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("journal") / "samples.jsonl"
    journal = Journal(path)
    journal.append(rows(6))
    journal.close()
    data = path.read_bytes()
    path.write_bytes(data[: min(cut, len(data))])
    journal = Journal(path)
    kept = journal.finished
    assert kept == rows(6)[: len(kept)] and not journal.faults
    journal.append(rows(6)[len(kept) :])
    journal.close()
    assert path.read_bytes() == data


FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(FLIPS, st.booleans())
def test_flipped_bytes_cost_no_more_than_their_lines(tmp_path_factory, flips, cut):
    path = tmp_path_factory.mktemp("journal") / "samples.jsonl"
    write(path, rows(8))
    data = bytearray(path.read_bytes())
    ends = [i for i, byte in enumerate(data) if byte == 10]
    hit = set()
    for place, change in flips:
        at = int(place * len(data))
        data[at] ^= change
        hit.add(sum(end < at for end in ends))
    if cut:  # the last line is torn, too
        data = data[: ends[-1] - 3]
        hit.add(7)
    path.write_bytes(data)
    expected = {r.id: r for r in rows(8)}
    whole = {f"s{i}" for i in range(8) if i not in hit}
    found, _ = scan(path)
    assert all(expected[r.id] == r for r in found), "never a wrong row"
    assert whole <= {r.id for r in found}, "never more than the damaged lines"
    journal = Journal(path)
    assert journal.finished == found
    journal.append([r for r in rows(8) if r not in found])
    journal.close()
    assert sorted(read(path), key=lambda r: r.id) == rows(8)


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "samples.jsonl"
    write(path, rows(5))
    path.write_text(path.read_text().replace('"correct": 0.333', '"correct": 0.433'))
    assert scan(path)[1] == ["line 2 is damaged (its checksum is wrong)"]
    assert [r.id for r in read(path)] == ["s0", "s2", "s3", "s4"] and intact(path) is None


def test_journals_without_checksums_are_read_and_continued(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(plain(rows(2))))
    journal = Journal(path)
    assert journal.finished == rows(2) and not journal.faults
    journal.append(rows(4)[2:])
    journal.close()
    assert read(path) == rows(4) and intact(path) is None
    with path.open("a") as file:
        file.write(plain(rows(5))[4])
    assert read(path) == rows(4), "behind checksums a line without one is damaged"


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "null", '"0.5"', "[1]"])
def test_a_score_that_is_no_number_is_not_a_result(tmp_path, odd):
    """Older versions journaled them."""
    path = tmp_path / "samples.jsonl"
    lines = plain(rows(3))
    lines[1] = lines[1].replace('"scores": {"correct": 0.3333333333333333}', f'"scores": {{"correct": {odd}}}')
    path.write_text("".join(lines))
    assert [r.id for r in read(path)] == ["s0", "s2"] and scan(path)[1][0].startswith("line 2 is damaged (")


def test_targets_of_any_type_can_be_journaled(tmp_path):
    path = tmp_path / "samples.jsonl"
    targets = [float("nan"), {1}, np.float32(0.5), {"box": np.arange(2)}, {3: (1,)}]
    write(path, [Result(str(i), "c", "g", t, Outcome("", {})) for i, t in enumerate(targets)])
    assert [r.target for r in read(path)] == [None, [1], 0.5, {"box": [0, 1]}, {"3": [1]}]


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

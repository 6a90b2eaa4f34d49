"""run.json: what is written is what is read, and records of other versions lose nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.score import Score
from harness.core.types import Outcome, Result
from harness.runs import journal
from harness.runs.directory import RunDir
from harness.runs.record import Counts, Damaged, Misplaced, RunRecord, Status, read, requests_so_far, write

LEAST = {"status": "done", "task": "pope", "model": "tiny-llava", "method": "vanilla"}
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
ANY = st.recursive(PLAIN, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3))
KNOWN = [k for k in RunRecord.of(LEAST).as_json() | RunRecord(**LEAST, absent=frozenset()).as_json() if k not in LEAST]


def test_a_record_is_read_as_it_was_written(tmp_path):
    folder = tmp_path / "pope-1"
    folder.mkdir()
    made = RunRecord(
        run="pope-1",
        status=Status.PARTIAL,
        task="pope",
        model="m",
        method="vista",
        scores=(Score("correct", primary=True),),
        counts=Counts(6, 6, 1, 6, 5),
        errors=[("ValueError: x", 1)],
        work={"passes": 3},
    )
    write(folder, made)
    assert replace(read(folder), absent=made.absent) == made
    stored = json.loads((folder / "run.json").read_text())
    assert stored["status"] == "partial" and stored["errors"] == [["ValueError: x", 1]]
    assert "sequential" not in stored and "rescored_from" not in stored


def test_there_is_no_record_before_a_run_has_begun(tmp_path):
    assert read(tmp_path) is None


def test_a_record_is_read_in_the_folder_of_its_run_alone(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", RunRecord.of({**LEAST, "run": "a"}))
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(Misplaced, match=r"b: its run.json is of run a: rename the folder to match, or delete the copy"):
        read(tmp_path / "b")
    (tmp_path / "b").rename(tmp_path / "a")
    monkeypatch.chdir(tmp_path / "a")
    assert (found := read(Path())) and found.run == "a"


def row(id_: str, prompt: str, *, calls: int = 1, error: bool = False) -> Result:
    outcome = None if error else Outcome("a", {"correct": 1.0})
    fault = {"type": "ValueError", "message": "x"} if error else None
    return Result(id_, "c", "g", "a", outcome, fault, prompt=prompt, calls=calls)


def test_a_run_that_no_process_holds_is_interrupted_and_its_journal_counts(tmp_path):
    directory = RunDir(tmp_path, "r")
    going = RunRecord(run="r", status=Status.RUNNING, task="t", model="m", method="v", counts=Counts(9, 1, 0, 5, 4))
    with directory.locked(lambda: None):
        write(directory.path, going)
        assert directory.record().counts == Counts(9, 0, 0, 5, 4), "no journal yet"
        assert requests_so_far(directory.path) == (5, 4)
        journal.write(directory.journal, [row("1", "p"), row("2", "q", calls=3), row("3", "q", calls=3, error=True)])
        with directory.journal.open("a") as file:
            file.write('damaged\n{"id": "4", "to')
        assert (found := directory.record()).status is Status.RUNNING
        assert found.counts == Counts(9, 3, 1, 5, 4)
        assert requests_so_far(directory.path) == (5 + 6, 4 + 3), "equal requests are asked once"
    assert directory.record() == replace(found, status=Status.INTERRUPTED)
    write(directory.path, replace(going, status=Status.DONE))
    assert directory.record().counts == going.counts, "a run that has ended says so itself"
    assert requests_so_far(directory.path) == (5, 4)


def test_where_a_lock_cannot_be_asked_for_the_record_is_believed(tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError(38, "Function not implemented")

    directory = RunDir(tmp_path, "r")
    with directory.locked(lambda: None):
        write(directory.path, RunRecord(run="r", status=Status.RUNNING, task="t", model="m", method="v"))
    monkeypatch.setattr("fcntl.flock", refuses)
    assert directory.record().status is Status.RUNNING


def test_a_record_of_another_version_keeps_what_it_says():
    old = {**LEAST, "limit": 5, "counts": {"samples": 6, "done": 6, "errors": 0}, "of_tomorrow": [1]}
    found = RunRecord.of(old)
    assert found.limit == 5 and found.counts.asked is None and found.work == {} and found.more == {"of_tomorrow": [1]}
    assert found.as_json() == old, "nothing is added, nothing lost"
    assert replace(found, work={"passes": 1}).as_json() == {**old, "work": {"passes": 1}}


@given(st.dictionaries(st.text(max_size=9) | st.sampled_from(KNOWN), ANY))
def test_no_field_of_a_record_can_be_too_odd(fields):
    once = RunRecord.of({**fields, "schema": 1, **LEAST}).as_json()
    assert RunRecord.of(json.loads(json.dumps(once))).as_json() == once
    assert all(once[k] == v for k, v in fields.items() if k not in KNOWN and k not in LEAST)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": None}, "names no status"),
        ({"task": 3}, "names no task"),
        ({"status": "paused"}, "unknown status 'paused'"),
        ({"schema": 99}, "has schema 99"),
    ],
)
def test_what_is_no_record_says_why(tmp_path, changes, said):
    (tmp_path / "run.json").write_text(json.dumps(LEAST | changes))
    with pytest.raises(Damaged, match=f"run.json .*{said}"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": "\xff'])
def test_a_cut_record_names_its_file(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Damaged, match=r"run\.json"):
        read(tmp_path)


def test_a_status_knows_whether_a_run_is_over():
    assert [s.value for s in Status if s.ended] == ["done", "partial", "failed"]
    assert [s.value for s in Status if s.scored] == ["done", "partial"]

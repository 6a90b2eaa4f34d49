"""A run with a probe: vanilla's answers; readings that a kill does not lose, in the store, exported and in Python."""

from __future__ import annotations

import json

import pytest

import harness
from harness.cli import main
from harness.engine.rescoring import rescored
from harness.plugins.build import build_task
from harness.runs.readings import FILE, LOG
from harness.runs.stored import stored
from harness.store import Store

RUN = ["eval", "task=pope", "limit=18", "method=image_attention", "probe.keep=4", "logger=quiet"]


def answers(run):
    return {r.id: r.outcome.answer for r in run.results()}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The only run of a results folder, and vanilla's in another."""
    folder = tmp_path_factory.mktemp("probes")
    for words, where in ((RUN, "read"), ([*RUN[:3], "logger=quiet"], "plain")):
        assert main([*words, f"results={folder / where}"]) == 0
    return folder


def test_answers_are_vanillas_and_full_arrays_are_bounded(played):
    (run,), (plain,) = stored(played / "read"), stored(played / "plain")
    assert answers(run) == answers(plain)
    found = run.readings()
    assert found.keys() == answers(run).keys() and run.record.readings == 18
    assert all("image_attention.image" in one for one in found.values())
    assert sum("image_attention.map" in one for one in found.values()) == 4
    assert run.record.identity["keep"] == 4 and plain.record.readings is None
    assert {p.name for p in run.directory.path.glob("readings*")} == {FILE}


def test_they_are_in_the_store_in_python_and_exported(played, tmp_path):
    results = played / "read"
    with Store(results) as store:
        (row,) = store.query(
            "SELECT count(*) AS n, avg(value) AS mean FROM readings WHERE name = 'image_attention.image'"
        )
        (heads,) = store.query(
            "SELECT axes, shape, len(\"values\") AS size FROM readings WHERE name LIKE '%image_heads' LIMIT 1"
        )
    (run,) = harness.runs(results)
    of = run.reading("image_attention.image")
    assert row["n"] == len(of) == 18 and row["mean"] == pytest.approx(sum(r.value for r in of.values()) / 18)
    assert heads == {"axes": ["layer", "head"], "shape": [4, 4], "size": 16}
    table = harness.runs(results).readings()
    assert len(table) == sum(map(len, run.stored.readings().values())) and "reading" in table.columns
    with pytest.raises(harness.UsageError, match="has no reading image_attention"):
        run.reading("image_attention.imag")
    for form in ("csv", "parquet"):
        assert main(["export", "--results", str(results), "--format", form, "--out", str(tmp_path / form)]) == 0
        assert (tmp_path / form / f"readings.{form}").stat().st_size > 1000


def test_a_killed_run_continues_without_losing_or_doubling_one(played, tmp_path):
    """As after a kill between the two files, and with readings gone: those samples are asked again."""
    (run,) = stored(played / "read")
    folder = tmp_path / "runs" / run.name
    folder.mkdir(parents=True)
    lines = run.directory.journal.read_bytes().splitlines(keepends=True)
    (folder / "samples.jsonl").write_bytes(b"".join(lines[:9]))
    record = json.loads((run.directory.path / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "running"}))
    assert main([*RUN, f"results={tmp_path}"]) == 0
    (again,) = stored(tmp_path)
    assert answers(again) == answers(run) and again.readings().keys() == run.readings().keys()
    assert len(again.results()) == 18 and not (folder / LOG).exists()
    (folder / FILE).unlink()
    assert main([*RUN, f"results={tmp_path}"]) == 0, "an ended run that lost its readings is not taken as it is"
    assert stored(tmp_path)[0].readings().keys() == run.readings().keys()


def test_a_wrong_number_is_refused(capsys):
    assert main([*RUN[:4], "probe.keep=-1"]) == 2
    assert "probe.keep=-1 is not a number of samples: give 0 or more" in capsys.readouterr().err


def test_answers_that_are_scored_anew_keep_what_was_read(played):
    """As after a change of the task's scorer: the rows are taken over, and their readings with them."""
    (run,) = stored(played / "read")
    task = build_task(run.record.config["task"])
    rows = rescored(task, [s for s in task.samples() if s.id in answers(run)], run, "strip")
    assert len(rows) == 18 and all(r.readings.keys() == run.readings()[r.id].keys() for r in rows)

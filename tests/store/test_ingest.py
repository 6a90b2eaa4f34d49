"""Run directories into the database: faithful, repeatable, robust, concurrent."""

import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.core.errors import HarnessError, Missing
from harness.core.types import Metric
from harness.runs import journal
from harness.store import Store, catch_up, ingest
from harness.store import database as database_module
from harness.store.database import Busy, sql
from harness.store.queries import Outdated
from tests.store.asking import metrics, run, runs, samples

duckdb = pytest.importorskip("duckdb")


def sample(i, **changes):
    row = {
        "id": f"s{i}",
        "group": ("random", "popular")[i % 2],
        "cluster": f"coco:{i // 3}",
        "target": "yes",
        "answer": f"Yes, answer {i}.",
        "verdict": "yes",
        "scores": {"correct": float(i % 3 > 0), "margin": i / 7},
        "details": {"object": "dog", "steps": [1, {"x": 0.1}]},
        "error": None,
        "prompt": f"{i:064x}",
        "prompt_tokens": 600 + i,
        "new_tokens": 5,
        "latency": 0.1 * i,
        "finish": "stop",
        "calls": 1,
    }
    return row | changes


def write(results, name, rows=6, *, lines=None, values=None, **changes):
    """A run directory as an evaluation leaves it."""
    folder = results / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "schema": 1,
        "run": name,
        "status": "done",
        "task": "pope",
        "task_version": "1",
        "data": "embedded",
        "model": "tiny-llava",
        "model_fingerprint": "abc",
        "method": "vista+vcd",
        "methods": ["vista", "vcd"],
        "decoding": {"strategy": "greedy"},
        "seed": 0,
        "limit": None,
        "identity": {"task": {"fingerprint": "f"}},
        "config": {"method": {"lam": 0.17}},
        "environment": {
            "python": "3.12.1",
            "platform": "Linux",
            "packages": {"torch": "2.9.0"},
            "hardware": {"cpu": "x", "cores": 2, "memory_gib": 15.5, "gpu": []},
            "git": {"commit": "c0ffee", "dirty": True},
        },
        "command": "harness eval",
        "started": "2026-01-02T03:04:05.250000+00:00",
        "finished": "2026-01-02T05:04:06+01:00",
        "wall_seconds": 1.5,
        "cpu_seconds": 1.25,
        "counts": {"samples": 6, "done": 6, "errors": 0, "requests": 6, "asked": 5},
        "task_facts": {"parser": "official"},
        "model_facts": {},
    }
    (folder / "run.json").write_text(json.dumps(record | changes))
    found = lines if lines is not None else [json.dumps(sample(i)) + "\n" for i in range(rows)]
    (folder / "samples.jsonl").write_bytes(b"".join(x if isinstance(x, bytes) else x.encode() for x in found))
    table = [Metric("accuracy", 2 / 3, low=0.1, high=0.9, stderr=0.05, n=6, clusters=2, primary=True)]
    table += [Metric(f"m{i}", v, higher_is_better=None, note="too few") for i, v in enumerate(values or [])]
    (folder / "metrics.json").write_text(json.dumps([asdict(m) for m in table]))
    return folder


def everything(results):
    """All tables, in an order that does not depend on how they were filled; bit-exact through repr."""
    with Store(results) as store:
        return {
            table: sorted(repr(row) for row in store.query(f"SELECT * FROM {table}"))
            for table in ("runs", "environment", "metrics", "samples")
        }


def test_round_trip(tmp_path):
    write(tmp_path, "pope-a-1234abcd")
    report = ingest(tmp_path)
    assert (report.runs, report.samples, report.removed, report.problems) == (1, 6, 0, [])
    assert re.fullmatch(r"1 runs, 6 samples in \d+\.\d s", str(report))
    got = run(tmp_path, "pope-a-1234abcd")
    assert got["methods"] == ["vista", "vcd"] and got["decoding"] == {"strategy": "greedy"}
    assert got["started"].isoformat() == "2026-01-02T03:04:05.250000"
    assert got["finished"].isoformat() == "2026-01-02T04:04:06"
    assert (got["limit"], got["asked"], got["wall_seconds"]) == (None, 5, 1.5)
    assert got["packages"] == {"torch": "2.9.0"} and got["hardware"]["memory_gib"] == 15.5
    assert (got["git_commit"], got["git_dirty"], got["config"]) == ("c0ffee", True, {"method": {"lam": 0.17}})
    assert samples(tmp_path, "pope-a-1234abcd") == [sample(i) for i in range(6)]
    wanted = asdict(Metric("accuracy", 2 / 3, low=0.1, high=0.9, stderr=0.05, n=6, clusters=2, primary=True))
    assert metrics(tmp_path, "pope-a-1234abcd") == [wanted]


def test_metrics_are_bit_equal(tmp_path):
    rng = random.Random(0)
    values = [struct.unpack("d", rng.randbytes(8))[0] for _ in range(3000)] + [5e-324, 1.7976931348623157e308, -0.0]
    values += [float("nan"), float("inf"), float("-inf")]
    write(tmp_path, "r", values=values)
    ingest(tmp_path)
    got = [m["value"] for m in metrics(tmp_path, "r")[1:]]
    assert list(map(repr, got)) == list(map(repr, values))


def test_rebuild_equals_increments(tmp_path):
    folders = [write(tmp_path, f"run{i}", rows=4 + i, values=[i / 3]) for i in range(4)]
    for folder in folders:
        ingest(tmp_path, [folder])
    write(tmp_path, "run1", rows=9, status="partial", values=[0.1, 0.2])
    (tmp_path / "runs" / "run2" / "run.json").write_text("{")
    shutil.rmtree(tmp_path / "runs" / "run3")
    report = ingest(tmp_path, [folders[1], folders[2], folders[3], folders[1]])
    assert (report.runs, report.removed, len(report.problems)) == (1, 2, 2)
    step = everything(tmp_path)
    ingest(tmp_path)
    assert everything(tmp_path) == step
    (tmp_path / "harness.duckdb").unlink()
    ingest(tmp_path)
    assert everything(tmp_path) == step
    assert len(step["runs"]) == 2 and len(step["samples"]) == 13


def test_awkward_text(tmp_path):
    """NUL, newlines, emoji, lone surrogates, quotes, 20 MB: nothing is lost but what no database can hold."""
    texts = ["nul\x00in", "a\nb\r\n\u2028c", "😀", "lone \ud800 end", "'\"\\", "x" * 20_000_000, "", "NULL"]
    lines = [json.dumps(sample(i, answer=t, details={"said": t[:20]})) + "\n" for i, t in enumerate(texts)]
    write(tmp_path, "r", lines=lines)
    assert ingest(tmp_path).problems == []
    got = samples(tmp_path, "r")
    assert [g["answer"] for g in got] == [t.replace("\ud800", "\ufffd") for t in texts]
    assert [g["details"]["said"] for g in got] == [t[:20].replace("\ud800", "\ufffd") for t in texts]


def test_any_target_and_error(tmp_path):
    targets = ["yes", None, ["a", 1], {"box": [0.1, 2]}, 3, True, 12345678901234567890123]
    rows = [sample(i, target=t) for i, t in enumerate(targets)]
    rows[0] |= {"answer": None, "scores": {}, "error": {"type": "Unusable", "message": "m\n", "traceback": "t"}}
    rows[1] |= {"scores": {}, "verdict": None, "details": {"a": float("inf")}}
    write(tmp_path, "r", lines=[json.dumps(r) + "\n" for r in rows])
    ingest(tmp_path)
    assert samples(tmp_path, "r") == rows


@pytest.mark.parametrize("odd", [None, float("nan"), float("inf")])
def test_scores_that_are_not_finite_numbers_count_as_none(tmp_path, odd):
    rows = [sample(0), sample(1, scores={"correct": odd, "margin": 1.0}), sample(2)]
    write(tmp_path, "r", lines=[json.dumps(r) + "\n" for r in rows])
    assert ingest(tmp_path).problems == ["r: 1 samples whose scores are not finite numbers (s1 first)"]
    assert [s["id"] for s in samples(tmp_path, "r")] == ["s0", "s2"]


def test_a_wrong_checksum_costs_its_sample_alone(tmp_path):
    lines = [journal.sealed(sample(i)) + "\n" for i in range(4)]
    lines[2] = lines[2].replace("Yes, answer", "No, answer")
    write(tmp_path, "r", lines=lines)
    (problem,) = ingest(tmp_path).problems
    assert problem.endswith("samples.jsonl: line 3 is damaged")
    assert [s["id"] for s in samples(tmp_path, "r")] == ["s0", "s1", "s3"]


def test_another_programs_database_is_left_alone(tmp_path):
    write(tmp_path, "r")
    with duckdb.connect(str(tmp_path / "harness.duckdb")) as connection:
        connection.execute("CREATE TABLE samples (a INT)")
    with pytest.raises(Missing, match="another program's tables \\(samples\\): move the file away"):
        ingest(tmp_path)
    with duckdb.connect(str(tmp_path / "harness.duckdb")) as connection:
        connection.execute("CREATE TABLE schema_version (other INT)")
    for call in (ingest, runs):
        with pytest.raises(Missing, match=r"harness\.duckdb"):
            call(tmp_path)


def test_runs_that_only_lie_on_disk_are_indexed(tmp_path):
    write(tmp_path, "a")
    ingest(tmp_path)
    write(tmp_path, "b")
    write(tmp_path, "c", status="running")
    (write(tmp_path, "d") / "run.json").write_text("{")
    said = []
    catch_up(tmp_path, said.append)
    assert {r["run"] for r in runs(tmp_path)} == {"a", "b"}
    assert len(said) == 2 and "left out" in said[0] and said[1].startswith("1 runs on disk were not in harness.duckdb")
    write(tmp_path, "a", finished="2026-01-03T00:00:00+00:00")
    catch_up(tmp_path, said.append)
    assert next(r for r in runs(tmp_path) if r["run"] == "a")["finished"].day == 3
    said.clear()
    catch_up(tmp_path, said.append)
    assert len(said) == 1, "all that can be read is there"


def test_a_database_of_an_earlier_version_is_brought_up_to_date(tmp_path):
    for name in "ab":
        write(tmp_path, name)
    with duckdb.connect(str(tmp_path / "harness.duckdb")) as connection:
        connection.execute(sql("schema.sql"))
        connection.execute("INSERT INTO schema_version VALUES (1)")
    with pytest.raises(Outdated, match=r"has version 1, this harness reads version \d+: run harness ingest"):
        runs(tmp_path)
    said = []
    catch_up(tmp_path, said.append)
    assert {r["run"] for r in runs(tmp_path)} == {"a", "b"} and said[-1].startswith("2 runs on disk")


def test_bad_rows_cost_themselves_alone(tmp_path):
    good = json.dumps(sample(0)) + "\n"
    bad = [
        '{"id": "torn in the mid\n',
        "[1]\n",
        "null\n",
        '{"no": "id"}\n',
        json.dumps(sample(1, scores={"correct": "high"})) + "\n",
        json.dumps(sample(1, calls=10**40)) + "\n",
        "[" * 100_000 + "\n",
        b"\xff\xfe\n",
    ]
    write(tmp_path, "bad", lines=[good, "\n", *bad, json.dumps(sample(2)) + "\n"])
    for i in range(9):
        write(tmp_path, f"fine{i}")
    report = ingest(tmp_path)
    assert report.runs == 10 and report.samples == 9 * 6 + 2
    assert len(report.problems) == 1 and "lines 3 and 7 more are damaged" in report.problems[0]
    assert [s["id"] for s in samples(tmp_path, "bad")] == ["s0", "s2"]
    assert "left out: " in str(report)


def test_odd_types_read_alike_on_both_ways(tmp_path):
    rows = [sample(0, id=5, verdict=3, calls=2.0, scores={"correct": True}, error={"message": "m", "more": 1})]
    line = json.dumps(rows[0]) + "\n"
    write(tmp_path, "fast", lines=[line])
    write(tmp_path, "slow", lines=[line, "{\n"])
    ingest(tmp_path)
    fast, slow = (samples(tmp_path, r) for r in ("fast", "slow"))
    assert (
        fast == slow and fast[0]["id"] == "5" and fast[0]["error"] == {"type": None, "message": "m", "traceback": None}
    )


@pytest.mark.parametrize("tail", ['{"id": "s9", "ans', json.dumps(sample(9)), "\x00" * 50])
def test_a_torn_last_line_is_ignored(tmp_path, tail):
    write(tmp_path, "r", lines=[json.dumps(sample(i)) + "\n" for i in range(3)] + [tail], status="interrupted")
    report = ingest(tmp_path)
    assert (report.samples, report.problems) == (3, [])
    assert runs(tmp_path)[0]["status"] == "interrupted"


def test_unfinished_runs_have_no_metrics_yet(tmp_path):
    """After a resume metrics.json is of the state before: it counts only once the run has ended."""
    write(tmp_path, "r", status="running", finished=None)
    ingest(tmp_path)
    assert metrics(tmp_path, "r") == [] and runs(tmp_path)[0]["metric"] is None
    (tmp_path / "runs" / "r" / "samples.jsonl").unlink()
    assert ingest(tmp_path).problems == [] and samples(tmp_path, "r") == []


def test_unreadable_runs_are_named_in_one_line_each(tmp_path):
    write(tmp_path, "fine")
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "file.txt").write_text("no folder")
    (write(tmp_path, "list") / "run.json").write_text("[]")
    (write(tmp_path, "broken") / "run.json").write_bytes(b'{"run": \xff')
    (write(tmp_path, "metrics") / "metrics.json").write_text('[{"name": "f1", "value": "high"}]')
    write(tmp_path, "newer", schema=99)
    write(tmp_path, "copy", run="fine")
    write(tmp_path, "untasked", task=None)
    (write(tmp_path, "folder") / "samples.jsonl").unlink()
    (tmp_path / "runs" / "folder" / "samples.jsonl").mkdir()
    report = ingest(tmp_path)
    assert report.runs == 1 and len(report.problems) == 8
    assert all("\n" not in p for p in report.problems)
    for name in ("empty", "list", "broken", "metrics", "newer", "copy", "untasked", "folder"):
        assert sum(f"/runs/{name}" in p for p in report.problems) == 1, name
    assert [r["run"] for r in runs(tmp_path)] == ["fine"]


def test_folders_with_glob_characters_and_quotes(tmp_path):
    results = tmp_path / "it's [odd] *"
    write(results, "r[1]*")
    write(results, "r1x")
    assert ingest(results).samples == 12
    assert len(samples(results, "r[1]*")) == 6


def test_a_file_that_is_no_database_is_replaced_by_a_full_ingest_only(tmp_path):
    folder = write(tmp_path, "r")
    (tmp_path / "harness.duckdb").write_bytes(b"garbage" * 1000)
    with pytest.raises(HarnessError, match="run harness ingest"):
        ingest(tmp_path, [folder])
    with pytest.raises(HarnessError, match="run harness ingest"):
        runs(tmp_path)
    ingest(tmp_path)
    assert len(runs(tmp_path)) == 1


def test_a_failing_publish_changes_nothing(tmp_path, monkeypatch):
    write(tmp_path, "r")
    ingest(tmp_path)
    before = everything(tmp_path)
    write(tmp_path, "r", rows=2)
    module = sys.modules["harness.store.ingest"]
    publish = module.sql("loads/publish.sql") + "SELECT error('power cut');"
    monkeypatch.setattr(module, "sql", lambda p: publish if p.endswith("publish.sql") else database_module.sql(p))
    with pytest.raises(Missing, match="power cut"):
        ingest(tmp_path)
    monkeypatch.undo()
    assert everything(tmp_path) == before
    ingest(tmp_path)
    assert len(samples(tmp_path, "r")) == 2


def test_migrations_apply_to_old_and_new_databases(tmp_path, monkeypatch):
    write(tmp_path, "old")
    ingest(tmp_path)
    steps = tmp_path / "migrations"
    shutil.copytree(database_module.MIGRATIONS, steps)
    newest = database_module.steps()[-1][0]
    (steps / f"{newest + 1:03d}_memory.sql").write_text(
        "ALTER TABLE runs ADD COLUMN peak_memory BIGINT; CREATE TABLE extra (a INT);"
    )
    monkeypatch.setattr(database_module, "MIGRATIONS", steps)
    with pytest.raises(Missing, match="run harness ingest"):
        runs(tmp_path)
    ingest(tmp_path, [write(tmp_path, "new")])
    assert [r["peak_memory"] for r in runs(tmp_path)] == [None, None]
    with Store(tmp_path) as store:
        assert store.query("SELECT version FROM schema_version") == [{"version": newest + 1}]
    migrated = everything(tmp_path)
    (tmp_path / "harness.duckdb").unlink()
    ingest(tmp_path)
    assert everything(tmp_path) == migrated
    monkeypatch.undo()
    with pytest.raises(Missing, match="update harness"):
        runs(tmp_path)
    with pytest.raises(HarnessError, match="update harness"):
        ingest(tmp_path)
    (steps / f"{newest + 3:03d}_gap.sql").write_text("")
    monkeypatch.setattr(database_module, "MIGRATIONS", steps)
    with pytest.raises(HarnessError, match="without gaps"):
        ingest(tmp_path)


def ingest_one(results, name):
    for _ in range(3):
        ingest(results, [results / "runs" / name])


def test_many_processes_ingest_at_once(tmp_path):
    names = [f"run{i}" for i in range(4)]
    for name in names:
        write(tmp_path, name, rows=50)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=ingest_one, args=(tmp_path, n)) for n in names]
    for w in workers:
        w.start()
    seen = []
    while any(w.is_alive() for w in workers):
        if (tmp_path / "harness.duckdb").exists():
            seen.append(len(runs(tmp_path)))  # readers get their turn, and see whole runs
        time.sleep(0.02)
    for w in workers:
        w.join()
    assert [w.exitcode for w in workers] == [0] * len(workers)
    assert seen == sorted(seen)
    state = everything(tmp_path)
    assert len(state["runs"]) == 4 and len(state["samples"]) == 200
    ingest(tmp_path)
    assert everything(tmp_path) == state


HOLD = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print(1, flush=True); time.sleep(float(sys.argv[2]))"


@pytest.fixture
def hold(tmp_path):
    """Another program that has the database open for writing."""
    held = []

    def start(seconds):
        path = str(tmp_path / "harness.duckdb")
        process = subprocess.Popen([sys.executable, "-c", HOLD, path, str(seconds)], stdout=subprocess.PIPE)
        assert process.stdout.readline()
        held.append(process)
        return process

    yield start
    for process in held:
        process.kill()
        process.communicate()


def test_waits_for_another_program(tmp_path, hold):
    write(tmp_path, "r")
    ingest(tmp_path)
    hold(0.7)
    assert len(runs(tmp_path)) == 1
    hold(0.7)
    assert ingest(tmp_path).runs == 1


def test_gives_up_with_a_clear_line(tmp_path, hold):
    write(tmp_path, "r")
    ingest(tmp_path)
    process = hold(60)
    with pytest.raises(Busy, match=f"held by process {process.pid}.*run harness ingest later"):
        ingest(tmp_path, patience=0.3)
    with pytest.raises(Busy, match="wait for it, or end it"):
        Store(tmp_path, patience=0.3)


def test_our_own_writers_queue(tmp_path):
    write(tmp_path, "r")
    with database_module.turn(tmp_path / "harness.duckdb", 1), pytest.raises(Busy, match="other processes wrote"):
        ingest(tmp_path, patience=0.1)
    assert ingest(tmp_path, patience=0.1).runs == 1


def test_no_place_to_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Missing, match="results=DIR"):
        ingest(tmp_path / "file" / "results")


def test_nothing_there(tmp_path):
    with pytest.raises(Missing, match=r"run harness eval or harness ingest"):
        runs(tmp_path)
    assert ingest(tmp_path).runs == 0
    assert runs(tmp_path) == []


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    write(tmp_path, "r")
    (tmp_path / "harness.duckdb").mkdir()
    with pytest.raises(Missing, match=r"harness\.duckdb is a folder: move it away, then run harness ingest$"):
        ingest(tmp_path)
    (tmp_path / "harness.duckdb").rmdir()
    assert ingest(tmp_path).runs == 1


@pytest.mark.parametrize("room", [2**14, 2**18])
def test_a_full_disk_is_named(tmp_path, room):
    """A limit of a file's size stands for it; once there is room the same command fills the file."""
    write(tmp_path, "r", rows=4000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    code = "import sys; from pathlib import Path; from harness.store import ingest; ingest(Path(sys.argv[1]))"
    limited = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1])),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert re.search(r"NoRoom: no room for \S+ \(File too large\): make some, then run harness ingest", limited.stderr)
    assert ingest(tmp_path).samples == 4000

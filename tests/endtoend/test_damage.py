"""Runs, tables and the site after power cuts, damaged files and scores that are no numbers."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.cli import main
from harness.leaderboard import pages
from harness.plugins.registry import forget
from harness.runs import journal
from harness.runs.stored import StoredRun, stored
from harness.store import Store

PLUGINS = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"
SUMS = ["eval", "task=sums", "task.n=12", PLUGINS, "logger=quiet"]
ODD = """
import numpy as np
from harness.core import Outcome, Request, Sample, Task, user
from harness.stats import mean
class Odd(Task):
    def __init__(self, bad): self.bad = bad
    def fingerprint(self): return f"odd-{self.bad}"
    def samples(self): yield from (Sample(f"{i}", f"{i}", "all", "1") for i in range(12))
    def episode(self, sample):
        reply = yield Request(user("1?"), 4)
        odd = sample.id == "5"
        return Outcome(reply.text, {"correct": eval(self.bad)} if odd else {"correct": 1.0}, None, {"seen": {1}})
    def aggregate(self, results):
        scored = [r for r in results if r.outcome]
        values = [r.outcome.scores["correct"] for r in scored]
        return [mean(values, [r.cluster for r in scored]).metric("a", primary=True)]
    def oracle(self, sample, request): return sample.target
"""


@pytest.fixture
def odd(workdir):
    """Words of a run whose sample 5 gets the score that a Python expression gives."""
    folder = workdir / "plug" / "odd"
    folder.mkdir(parents=True)
    (folder / "task.py").write_text(ODD)
    (folder / "task.yaml").write_text(
        "_target_: odd.task.Odd\nversion: 1\nofficial: embedded\nvariants: {embedded: x}\n"
        "card: {title: x}\ndefaults: {bad: '1.0'}\n"
    )
    return lambda bad, *more: ["eval", "task=odd", "plugins=[plug]", f"task.bad={bad}", "model=oracle", *more]


def only() -> StoredRun:
    (run,) = stored(Path("results"))
    return run


@pytest.mark.parametrize("bad", ["float('nan')", "-np.inf", "None", "'0.5'", "{1}", "np.array([1.0, 2.0])", "10**400"])
def test_a_score_that_is_no_number_is_one_error_row(odd, bad, capsys):
    assert main(odd(f'"{bad}"')) == 3
    run = only()
    assert [r.id for r in run.results() if r.error] == ["5"] and run.metrics[0].n == 11
    assert run.record.status == "partial" and run.record.counts.done == 12
    (message, _), *_ = run.record.errors
    assert message.startswith(("TypeError: score correct is ", "ValueError: score correct is ", "OverflowError: "))
    for command in (["ls"], ["ingest"], ["site", "build", "--plugins", "plug"], ["compare", run.name, run.name]):
        assert main(command) == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('{"seen": {1}}', "None", "12 x TypeError: details are NoneType"),
        ("scored = [r for r in results if r.outcome]", "scored = 1 / 0", "`aggregate` raised ZeroDivisionError"),
        ("return [mean", "return None and [mean", "`aggregate` returned None where a Metric should be"),
        ('f"{i}", f"{i}", "all"', 'f"{i}", None, "all"', "sample '0' has cluster None: give each a text"),
    ],
)
def test_what_a_task_of_ones_own_does_wrong_is_one_line(odd, old, new, says, capsys):
    file = Path("plug/odd/task.py")
    file.write_text(ODD.replace(old, new))
    forget()
    assert main(odd("1.0")) == 1
    assert says in capsys.readouterr().err
    file.write_text(ODD)
    forget()
    assert main(odd("1.0", "retry=errors")) == 0


@pytest.mark.parametrize("good", ["np.float32(1)", "np.bool_(True)", "np.int64(1)", "np.array(1.0)"])
def test_numbers_of_numpy_are_converted(odd, good):
    assert main(odd(f'"{good}"')) == 0
    assert json.loads(Path(only().directory.journal).read_text().splitlines()[5])["scores"]["correct"] == 1
    assert only().results()[0].outcome.details == {"seen": [1]}


@pytest.fixture
def old_nan(odd):
    """Two runs of a version that journaled scores that are not numbers."""
    for seed in (0, 1):
        assert main(odd("1.0", f"seed={seed}")) == 0
    runs = stored(Path("results"))
    for run in runs:
        rows = [json.loads(line) for line in run.directory.journal.read_text().splitlines()]
        for row in rows:
            del row["crc32"]
        rows[5]["scores"]["correct"] = float("nan")
        run.directory.journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
        metrics = json.loads((run.directory.path / "metrics.json").read_text())
        (run.directory.path / "metrics.json").write_text(json.dumps([m | {"value": float("nan")} for m in metrics]))
    return runs


def test_earlier_runs_with_such_scores_stop_nothing(old_nan, capsys):
    a, b = (r.name for r in old_nan)
    for command in (["ingest"], ["ls"], ["site", "build", "--plugins", "plug"], ["show", a]):
        assert main(command) == 0, command
    assert main(["history", "odd"]) == 2, "none is whole"
    capsys.readouterr()
    assert main(["compare", a, b]) == 3
    err = capsys.readouterr().err
    assert "line 6 is damaged (score correct is nan, not a finite number)" in err and err.count("\n") == 1
    assert main(["gate", "--baseline", a, "--candidate", b]) == 3
    assert "regressed" not in capsys.readouterr().out


def test_the_sample_of_such_a_score_is_asked_again(old_nan, odd):
    assert main(odd("1.0", "seed=0")) == 0
    run = next(r for r in stored(Path("results")) if r.record.seed == 0)
    assert not run.faults() and run.record.counts.asked == 12 + 1 and run.metrics[0].value == 1


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
@pytest.mark.parametrize("size", [0, 100])
def test_a_file_that_was_cut_short_is_made_anew(workdir, capsys, name, size):
    assert main(SUMS) == 0
    before = only()
    folder = before.directory.path
    (folder / name).write_bytes((folder / name).read_bytes()[:size])
    for command in (["ls"], ["export", "--format", "csv", "--out", "csv"], ["site", "build"], ["show", before.name]):
        assert main(command) in (0, 2, 3), command
    err = capsys.readouterr().err
    assert name in err and "Traceback" not in err
    assert main(SUMS) == 0
    assert only().metrics == before.metrics and only().record.status == "done"
    assert [r.outcome for r in only().results()] == [r.outcome for r in before.results()]


def test_a_damaged_line_of_a_finished_run_is_asked_again(workdir, capsys):
    assert main(SUMS) == 0
    before = only().results()
    path = only().directory.journal
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"answer", b"ansser")
    path.write_bytes(b"".join(lines))
    capsys.readouterr()
    assert main(SUMS) == 0
    assert "line 4 is damaged (its checksum is wrong): what is missing is asked again" in capsys.readouterr().err
    assert only().record.counts.asked == 12 + 1 and not only().faults()
    assert {r.id: r.outcome for r in only().results()} == {r.id: r.outcome for r in before}
    assert main(SUMS) == 0 and only().record.counts.asked == 12 + 1


def test_a_run_that_was_killed_before_it_was_indexed(workdir, capsys):
    assert main(SUMS) == 0
    name = only().name
    for command in (SUMS, ["site", "build"]):
        Path("results/harness.duckdb").unlink()
        assert main(command) == 0
        with Store("results") as store:
            assert [r["run"] for r in store.query("SELECT run FROM runs")] == [name]
    assert "1 runs on disk were not in harness.duckdb: indexed now" in capsys.readouterr().err


def limited(words, size):
    """A command in a process whose files may not grow beyond `size` bytes."""
    command = [sys.executable, "-m", "harness", *words]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, timeout=120)


@pytest.mark.parametrize("size", [1000, 30_000])
def test_a_full_disk_costs_nothing_that_was_finished(workdir, size):
    """No room for the record, and none for all of the journal."""
    many = [w.replace("12", "200") for w in SUMS]
    done = limited(many, size)
    assert done.returncode == 3 and done.stderr.splitlines()[-1].startswith("harness: no room for results/runs/")
    (folder,) = Path("results/runs").iterdir()
    assert "Traceback" not in done.stderr and not list(folder.glob(".*.json.*"))
    kept = journal.read(folder / "samples.jsonl")
    assert bool(kept) == (size > 1000) and len(kept) < 200
    assert main(many) == 0
    assert only().record.status == "done" and only().results()[: len(kept)] == kept and len(only().results()) == 200


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_and_full_outputs_end_quietly(workdir, monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    assert main(SUMS) == 0
    ask = f"{sys.executable} -m harness ls"
    done = subprocess.run(["bash", "-c", f"{ask} >&- 2>err; echo $?; {ask} >&- 2>&- <&-; echo $?"], capture_output=True)
    assert done.stdout.split() == [b"0", b"0"] and Path("err").read_text() == ""
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {ask} | head -0"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    copy = Path("results/runs") / f".{only().name}.bak"  # what a backup left; and a terminal without the bars
    copy.mkdir()
    (copy / "run.json").write_bytes((only().directory.path / "run.json").read_bytes())
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = subprocess.run([*ask.split()[:-1], "history", "sums"], capture_output=True, text=True)
    assert done.returncode == 0 and "1 run," in done.stdout and done.stdout.rstrip().endswith("?")
    if Path("/dev/full").exists():
        done = subprocess.run(["bash", "-c", f"{ask} >/dev/full"], capture_output=True, text=True)
        assert done.returncode == 3 and done.stderr.startswith("harness: no room") and done.stderr.count("\n") == 1


def test_half_an_emoji_stops_no_export(workdir):
    """As a model leaves it that was cut at its token limit."""
    assert main(SUMS) == 0
    path = only().directory.journal
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["answer"] = rows[0]["id"] + " \ud83d"
    rows[1]["details"] = {"question": "\udc00?"}
    rows[2]["target"] = "\ud83d"
    for row in rows:
        del row["crc32"]
    path.write_text("".join(journal.sealed(row) + "\n" for row in rows))
    for form in ("csv", "parquet", "every-eval-ever"):
        assert main(["export", "--format", form, "--out", form]) == 0
    assert " \ufffd" in Path("csv/samples.csv").read_text(encoding="utf-8")
    assert main(["ingest"]) == 0 and main(["site", "build"]) == 0
    name = only().name
    assert main(["show", name, "--samples", "3"]) == 0
    assert main(["baseline", "update", name, "--reason", "x"]) == 0
    assert main(["gate", "--baseline", name, "--candidate", name]) == 0


@contextmanager
def nobody():
    """Without the rights of root, who may write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_finished_run_in_a_read_only_folder_can_be_shown(workdir, capsys):
    assert main(SUMS) == 0
    name = only().name
    shown = (SUMS, ["ls"], ["show", name], ["compare", name, name])
    refused = ([*SUMS, "seed=1"], ["ingest"], ["site", "build"])
    for words in (*shown, *refused[1:]):
        assert main(words) == 0  # all is imported
    places = [Path("results"), *Path("results").rglob("*")]
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    parents = [p for p in workdir.parents if p.is_relative_to(tempfile.gettempdir())][:-1]
    modes = {p: p.stat().st_mode for p in (*parents, workdir)}
    for path in modes:
        path.chmod(0o755)
    try:
        for words, code in (*((w, 0) for w in shown), *((w, 3) for w in refused)):
            capsys.readouterr()
            with nobody():
                found = main(words)
            err = capsys.readouterr().err
            assert found == code, err
            assert not code or (err.count("\n") == 1 and "Permission denied" in err)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
        for path in places:
            path.chmod(0o755)


def scratch() -> list[str]:
    return [p.name for p in Path("results").iterdir() if p.name.startswith(".site")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_build_leaves_the_old_site_and_no_scratch_folder(workdir, number):
    assert main(SUMS) == 0 and main(["site", "build"]) == 0
    before = Path("results/site/index.html").read_bytes()
    words = [sys.executable, "-c", SLOW, "site", "build"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) as build:
        assert build.stdout is not None and build.stdout.readline() == b"building\n"
        assert len(scratch()) == 1
        assert main(["site", "build"]) == 0 and len(scratch()) == 1, "another build leaves it alone"
        build.send_signal(number)
    assert Path("results/site/index.html").read_bytes() == before
    if number == signal.SIGKILL:
        assert main(["site", "build"]) == 0
    assert scratch() == []


SLOW = """
import sys, time
from harness.cli import main
from harness.leaderboard import pages
from harness.leaderboard import build
build.catch_up = lambda *_: (print("building", flush=True), time.sleep(60))
sys.exit(main(sys.argv[1:]))
"""


def test_there_is_a_site_at_every_moment(workdir):
    assert main(SUMS) == 0 and main(["site", "build"]) == 0
    stop, missed = threading.Event(), []

    def watch():
        while not stop.is_set():
            if not Path("results/site/index.html").exists():
                missed.append(1)

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(3):
        assert main(["site", "build"]) == 0
    stop.set()
    thread.join()
    assert not missed and scratch() == []


def test_a_run_whose_page_cannot_be_made_is_named_and_left_out(workdir, capsys, monkeypatch):
    assert main(SUMS) == 0 and main([*SUMS, "seed=1"]) == 0
    good, bad = stored(Path("results"))
    made = pages.run

    def faulty(site, board, entry, *more):
        if entry.run == bad.name:
            raise KeyError("odd")
        return made(site, board, entry, *more)

    monkeypatch.setattr(pages, "run", faulty)
    capsys.readouterr()
    assert main(["site", "build"]) == 0
    assert f"left out: {bad.name} (KeyError: 'odd')" in capsys.readouterr().err
    names = {p.stem for p in Path("results/site/run").glob("*.html")}
    assert names == {good.name}
    monkeypatch.setattr("harness.leaderboard.build.MOST_BROKEN", 0)
    with pytest.raises(KeyError):
        main(["site", "build"])
    assert Path("results/site/run").exists() and scratch() == []


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "samples.jsonl"])
@pytest.mark.parametrize("odd", [[1], None])
def test_a_field_of_another_type_ends_no_command_in_a_traceback(workdir, capsys, name, odd):
    """One broken run among others: it is named, or shown as far as it can be."""
    assert main(SUMS) == 0 and main([*SUMS, "seed=1"]) == 0
    good, bad = (run.name for run in stored(Path("results")))
    path = Path("results/runs") / bad / name
    whole = path.read_text()
    fields = {"run.json": "config", "metrics.json": "value", "samples.jsonl": "id"}
    for field in (fields[name], "group", "environment"):
        if name == "samples.jsonl":
            rows = [json.loads(line) | {field: odd} for line in whole.splitlines()]
            path.write_text("".join(f"{json.dumps({k: v for k, v in r.items() if k != 'crc32'})}\n" for r in rows))
        else:
            value = json.loads(whole)
            (value if isinstance(value, dict) else value[0])[field] = odd
            path.write_text(json.dumps(value))
        assert main(["ls"]) == 0 and main(["ingest"]) == 0
        for words in (
            ["show", bad, "--samples", "2"],
            ["compare", good, bad],
            ["export", "--format", "csv", "--out", "csv"],
        ):
            assert main(words) in (0, 2, 3), words
        path.write_text(whole)
    assert main(["site", "build"]) == 0 and Path(f"results/site/run/{good}.html").exists()

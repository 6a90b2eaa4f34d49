"""The product's main job through the command line: embedded POPE with tiny-llava, vanilla, VISTA and VCD."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.runs.journal import read

REPO = Path(__file__).parents[2]
LIMIT = "limit=180"


def runs(folder):
    return sorted((folder / "results" / "runs").iterdir())


def record(run):
    return json.loads((run / "run.json").read_text())


def answers(run):
    """Everything in the journal that does not depend on the clock, in sample order."""
    return {r.id: replace(r, latency=0.0) for r in read(run / "samples.jsonl")}


def command(*words):
    return [sys.executable, "-m", "harness", *words]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPO), "HF_HUB_OFFLINE": "1"}


def test_vista_vanilla_and_their_comparison(workdir, capsys):
    assert main(["eval", "task=pope", "method=vanilla", LIMIT]) == 0
    assert main(["eval", "task=pope", "method=vista", LIMIT]) == 0
    out = capsys.readouterr().out
    assert "accuracy" in out and "adversarial" in out
    assert main(["compare", "method=vanilla", "method=vista", "task=pope", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["paired"] == 180
    vanilla = next(r for r in runs(workdir) if "vanilla" in r.name)
    facts = record(vanilla)
    assert facts["counts"]["asked"] < facts["counts"]["requests"] == 180
    metrics = json.loads((vanilla / "metrics.json").read_text())
    primary = [m for m in metrics if m["primary"]]
    assert len(primary) == 1 and primary[0]["low"] < primary[0]["value"] < primary[0]["high"]
    assert primary[0]["clusters"] == 10


def test_a_neutral_vista_gives_vanillas_answers(workdir):
    few = "limit=72"
    assert main(["eval", "task=pope", "method=vanilla", few]) == 0
    assert main(["eval", "task=pope", "method=vista", "method.vista.lam=0", "method.vista.gamma=0", few]) == 0
    a, b = (answers(r) for r in runs(workdir))
    assert a == b


def test_methods_compose_and_other_decodings_run(workdir):
    few = "limit=36"
    assert main(["eval", "task=pope", "method=[vista,vcd]", few]) == 0
    assert main(["eval", "-m", "task=pope", "decoding=greedy,beam,nucleus", few]) == 0
    assert len(runs(workdir)) == 4


TO_KILL = ("eval", "task=pope", "limit=180", "batch_size=2")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The run that nothing kills."""
    whole = tmp_path_factory.mktemp("whole")
    with chdir(whole):
        assert main(list(TO_KILL)) == 0
    (run,) = runs(whole)
    return run


@pytest.mark.parametrize("seed", [0, 1])
def test_kill_9_loses_nothing_and_repeats_nothing(tmp_path, undisturbed, seed):
    killed = tmp_path / "killed"
    killed.mkdir()
    target = random.Random(seed).randrange(20, 100)
    process = subprocess.Popen(
        command(*TO_KILL), cwd=killed, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        journals = list(killed.glob("results/runs/*/samples.jsonl"))
        if journals and len(journals[0].read_bytes().splitlines()) >= target:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    process.wait()
    (run,) = runs(killed)
    before = read(run / "samples.jsonl")
    assert record(run)["status"] == "running" and 0 < len(before) < 180
    with chdir(killed):
        assert main(list(TO_KILL)) == 0
    after = read(run / "samples.jsonl")
    assert after[: len(before)] == before, "a finished sample was asked again"
    assert len(after) == len({r.id for r in after}) == 180, "a row is missing or stands twice"
    assert answers(run) == answers(undisturbed)
    assert json.loads((run / "metrics.json").read_text()) == json.loads((undisturbed / "metrics.json").read_text())


def test_two_evals_at_once(workdir):
    """One in a process of its own, and as long as it lives several here."""
    words = ["eval", "task=pope", "limit=36"]
    other = subprocess.Popen(command(*words, "method=vista"), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    seeds = 0
    while other.poll() is None:
        seeds += 1
        assert main([*words, f"seed={seeds}", "model=oracle", "logger=quiet"]) == 0
        time.sleep(1)
    errors = other.communicate(timeout=300)[1]
    assert other.returncode == 0, errors
    import duckdb

    with duckdb.connect("results/harness.duckdb", read_only=True) as db:
        assert db.execute("select count(*) from runs").fetchone() == (1 + seeds,)
        assert db.execute("select count(*) from samples").fetchone() == (36 * (1 + seeds),)


def test_help_and_lists_are_fast():
    """No timing here (benchmarks/startup.py has it): only that nothing heavy is imported."""
    code = "import sys; from harness.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    for words in (["--help"], ["list", "methods"], ["eval", "--help"], ["complete", "eval task="]):
        done = subprocess.run([sys.executable, "-c", code, *words], env=ENVIRONMENT, capture_output=True, check=False)
        assert done.returncode == 0

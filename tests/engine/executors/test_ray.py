"""executor=ray on this machine: results equal the local executor's; killed actors and a killed driver lose nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray")
pytestmark = pytest.mark.slow  # Ray alone takes half a minute to start

WORDS = ["task=pope", "limit=180", "logger=quiet"]
RAY = ["executor=ray", "executor.shard=18", "executor.workers=2"]


def command(results: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "harness", "eval", *WORDS, f"results={results}", *words]


def lines(results: str) -> dict[str, dict]:
    (path,) = Path(results).glob("runs/*/samples.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({r["id"] for r in found}) == len(found)  # nothing twice
    return {r["id"]: {k: r[k] for k in ("answer", "scores", "target", "prompt")} for r in found}


def metrics(results: str) -> list:
    (path,) = Path(results).glob("runs/*/metrics.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    subprocess.run(command("local"), cwd=folder, check=True, capture_output=True)
    return folder


def processes(driver: int, *words: str) -> list[int]:
    """What the driver started, however deep, whose command has one of the words."""
    out = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in out.splitlines()[1:]]
    below, grown = {driver}, True
    while grown:
        more = {int(pid) for pid, above, _ in rows if int(above) in below} - below
        below, grown = below | more, bool(more)
    return [int(pid) for pid, _, args in rows if int(pid) in below - {driver} and any(w in args for w in words)]


def until(ready, run, seconds=300.0):
    """What `ready` returns as soon as it is true, while the run goes on."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert run.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    return found


def journaled(results: str) -> int:
    return sum(path.read_text().count("\n") for path in Path(results).glob("runs/*/samples.jsonl"))


def alive(pids: list[int]) -> list[int]:
    return [p for p in pids if Path(f"/proc/{p}").exists()]


def test_equal_to_local_and_killed_actors_lose_nothing(place, monkeypatch):
    monkeypatch.chdir(place)
    run = subprocess.Popen(command("sharded", *RAY), stderr=subprocess.PIPE, text=True)
    killed = 0
    while run.poll() is None and killed < 2:
        for pid in processes(run.pid, "ray::Worker.play")[:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        time.sleep(0.2)
    _, err = run.communicate(timeout=400)
    assert run.returncode == 0 and killed == 2 and err.count("a worker died") >= 1
    assert lines("sharded") == lines("local") and metrics("sharded") == metrics("local")
    record = json.loads(next(Path("sharded").glob("runs/*/run.json")).read_text())
    assert record["status"] == "done" and record["work"]["samples"] == 180


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="leftovers are ended on Linux")
def test_a_killed_driver_leaves_nothing_and_goes_on(place, monkeypatch):
    monkeypatch.chdir(place)
    run = subprocess.Popen(command("again", *RAY), stderr=subprocess.DEVNULL)
    until(lambda: journaled("again") >= 18, run)
    left = processes(run.pid, "ray")
    assert len(left) > 4
    run.send_signal(signal.SIGKILL)
    run.wait()
    end = time.monotonic() + 30
    while alive(left) and time.monotonic() < end:
        time.sleep(0.2)
    assert not alive(left)
    assert subprocess.run(command("again", *RAY), check=False).returncode == 0
    assert lines("again") == lines("local") and metrics("again") == metrics("local")


@pytest.mark.parametrize("victim", ["RuntimeEnvAgent", "/raylet/raylet"])
def test_a_dead_ray_ends_the_run_in_one_line(place, monkeypatch, victim):
    monkeypatch.chdir(place)
    results = f"dead{victim.strip('/')[:3]}"
    run = subprocess.Popen(command(results, *RAY), stderr=subprocess.PIPE, text=True)
    until(lambda: processes(run.pid, "ray::Worker.play"), run)
    for pid in processes(run.pid, victim):
        os.kill(pid, signal.SIGKILL)
    _, err = run.communicate(timeout=200)
    own = [line for line in err.splitlines() if line.startswith("harness:") and "a worker died" not in line]
    assert "Traceback" not in err
    if run.returncode or victim == "RuntimeEnvAgent":  # workers may finish what they have without a raylet
        assert run.returncode == 1 and len(own) == 1
        assert "Ray's last node is dead" in own[0] and "the same command resumes" in own[0]
    assert subprocess.run(command(results, *RAY), check=False).returncode == 0
    assert lines(results) == lines("local") and metrics(results) == metrics("local")


def test_workers_that_find_no_room_end_the_run(place):
    words = command("room", *RAY, "executor.cpus=999", "executor.patience=3")
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1 and "no worker has started for 3 seconds" in done.stderr
    assert "executor.cpus=999" in done.stderr and "Traceback" not in done.stderr

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


def actors(driver: int) -> list[int]:
    """Ray's workers that play, of any driver on this machine started after us."""
    out = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in out.splitlines() if "ray::Worker.play" in line]


def test_equal_to_local_and_killed_actors_lose_nothing(place, monkeypatch):
    monkeypatch.chdir(place)
    run = subprocess.Popen(command("sharded", *RAY), stderr=subprocess.PIPE, text=True)
    killed = 0
    while run.poll() is None and killed < 2:
        for pid in actors(run.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        time.sleep(0.2)
    _, err = run.communicate(timeout=400)
    assert run.returncode == 0 and killed == 2 and err.count("a worker died") >= 1
    assert lines("sharded") == lines("local") and metrics("sharded") == metrics("local")
    record = json.loads(next(Path("sharded").glob("runs/*/run.json")).read_text())
    assert record["status"] == "done" and record["work"]["samples"] == 180


def test_a_killed_driver_goes_on(place, monkeypatch):
    monkeypatch.chdir(place)
    run = subprocess.Popen(command("again", *RAY), stderr=subprocess.DEVNULL)
    for _ in range(2000):
        found = list(Path("again").glob("runs/*/samples.jsonl"))
        if found and found[0].read_text().count("\n") >= 18:
            break
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert subprocess.run(command("again", *RAY), check=False).returncode == 0
    assert lines("again") == lines("local") and metrics("again") == metrics("local")

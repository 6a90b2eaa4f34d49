"""`model=openai` against tiny-llava in a process of its own on loopback, with faults; and settings that are wrong."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import main
from tests.models.chat_server import KEY
from tests.models.openai.local import play
from tests.models.openai.local import serving as serving_here

httpx = pytest.importorskip("httpx")
pytest.importorskip("tenacity")


@contextlib.contextmanager
def serving(folder: Path, *faults: str) -> Iterator[str]:
    port = folder / "port"
    process = subprocess.Popen([sys.executable, "-m", "tests.models.chat_server", str(port), *faults])
    try:
        for _ in range(600):
            if port.is_file():
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port.read_text()}/v1"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def asked(address: str) -> list[dict]:
    return httpx.get(address).json()


@pytest.fixture
def root(request, workdir, monkeypatch):
    """The server's module is found from the project's folder."""
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))
    return workdir


def run(address: str, *words: str) -> tuple[int, dict, dict]:
    base = ["task=pope", "task.data=embedded", "limit=18", "logger=quiet", "results=results"]
    code = main(["eval", *base, "model=openai", f"model.base_url={address}", "model.name=tiny", *words])
    (path,) = Path("results/runs").glob("*-tiny-*")
    record = json.loads((path / "run.json").read_text())
    metrics = {(m["name"], m["group"]): m for m in json.loads((path / "metrics.json").read_text())}
    return code, record, metrics


def answers(pattern: str) -> dict[str, str]:
    (path,) = Path("results/runs").glob(pattern)
    lines = (path / "samples.jsonl").read_text().splitlines()
    return {r["id"]: r["outcome"]["answer"] for r in map(json.loads, lines) if r.get("outcome")}


def test_the_same_answers_as_in_process_through_every_fault(root, monkeypatch):
    """429 and 503 that say when, 500, a cut connection, a slow answer, broken and empty JSON: nothing is lost."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(root, "429", "500", "cut", "slow", "garbage", "empty", "date") as address:
        words = [
            "model.timeout=3",
            "model.backoff=0.05",
            "model.concurrency=4",
            "model.price_in=2",
            "model.price_out=3",
        ]
        code, record, metrics = run(address, *words)
        log = asked(address)
    assert code == 0 and metrics["failed", "mean"]["value"] == 0
    assert record["work"]["retries"] == 7 and len(log) == record["work"]["requests"] + 7
    assert record["work"]["microdollars"] == 2 * record["work"]["prompt_tokens"] + 3 * record["work"]["new_tokens"]
    assert {e["key"] for e in log} == {"right"} and {e["temperature"] for e in log} == {0}
    for path in Path("results").rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()
    assert main(["eval", "task=pope", "limit=18", "logger=quiet"]) == 0
    assert answers("*-tiny-llava-*") == answers("*-vanilla-tiny-[!l]*")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.base_url=nowhere"], "http://HOST:PORT/v1"),
        (["model.base_url=http://me:word@h/v1"], "put the key into $OPENAI_API_KEY"),
        (["method=vista"], "edits the inside of a model"),
        (["decoding=beam"], "no beam search"),
        (["model.concurrency=0"], "concurrency is 1 or more"),
        (["model.reasoning=maybe"], "choose strip or keep"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, said):
    with serving_here(lambda body, n: (500, b"")) as served:
        assert play(served, *words) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1 and not served.bodies


def test_no_address_is_said(workdir, capsys):
    assert main(["eval", "task=pope", "model=openai", "model.name=x"]) == 2
    assert "model.base_url needs a value" in capsys.readouterr().err

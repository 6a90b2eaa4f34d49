"""`model=openai` against a real server process on loopback, with faults."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from harness.cli import main
from harness.core import Picture, Request, user
from harness.models.openai import _retry_after, messages
from tests.models.chat_server import KEY

httpx = pytest.importorskip("httpx")


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


def test_a_refusal_for_good_is_one_error_row(root, capsys):
    """One question, which three splits ask: their three rows, and no further try."""
    with serving(root, "400") as address:
        code, _, metrics = run(address, "model.concurrency=1")
        log = asked(address)
    assert code == 3 and metrics["failed", "mean"]["value"] == pytest.approx(3 / 18)
    assert len(log) <= 18 and "status 400: fault 400 second line" in capsys.readouterr().err


def test_a_server_that_is_gone_fails_and_the_same_command_goes_on(root, capsys):
    words = ["model.retries=1", "model.backoff=0.01"]
    with serving(root) as address:
        pass
    assert (
        main(
            [
                "eval",
                "task=pope",
                "limit=18",
                "task.data=embedded",
                "model=openai",
                f"model.base_url={address}",
                "model.name=x",
                *words,
            ]
        )
        == 1
    )
    assert "2 tries" in capsys.readouterr().err


def test_a_refused_key_stops_the_run_in_one_line(root, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(root, *["401"] * 40) as address:
        words = ["model=openai", f"model.base_url={address}", "model.name=x", "task.data=embedded", "logger=quiet"]
        assert main(["eval", "task=pope", "limit=18", *words]) == 3
    err = capsys.readouterr().err
    assert "set OPENAI_API_KEY in the environment" in err and len(err.strip().splitlines()) == 1


def test_messages_keep_their_order():
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG")
    (message,) = messages(Request(user("a", Picture(file.getvalue()), "b"), 5))
    assert [p["type"] for p in message["content"]] == ["text", "image_url", "text"]
    assert message["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert messages(Request(user("a", "b"), 5)) == [{"role": "user", "content": "ab"}]


def test_retry_after():
    assert _retry_after({"retry-after": "2.5"}) == 2.5 and _retry_after({}) is None
    assert _retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, lambda: 90.0) == 10
    assert _retry_after({"retry-after": "soon"}) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.base_url=nowhere"], "http://HOST:PORT/v1"),
        (["model.base_url=http://h/v1", "method=vista"], "edits the inside of a model"),
        (["model.base_url=http://h/v1", "decoding=beam"], "no beam search"),
        (["model.base_url=http://h/v1", "model.concurrency=0"], "concurrency is 1 or more"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, said):
    base = ["eval", "task=pope", "task.data=embedded", "model=openai", "model.name=x", "limit=6", "logger=quiet"]
    assert main([*base, *words]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1


def test_no_address_is_said(workdir, capsys):
    assert main(["eval", "task=pope", "model=openai", "model.name=x"]) == 2
    assert "model.base_url needs a value" in capsys.readouterr().err

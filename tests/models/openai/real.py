"""Real servers on loopback, of whichever Python has them installed, and checkpoints in the forms that they read.

`HARNESS_TEST_PYTHONS` names further interpreters to look in, separated by colons.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.embedded.tiny_llava import WEIGHTS

START = 400
"""Seconds that a server may take to start."""


def python(*modules: str) -> str:
    """The first interpreter that has these modules; the test is skipped where none has."""
    wanted = f"import importlib.util as u, sys; sys.exit(not all(u.find_spec(m) for m in {modules!r}))"
    named = os.environ.get("HARNESS_TEST_PYTHONS", "")
    for each in (sys.executable, *filter(None, named.split(os.pathsep))):
        if subprocess.run([each, "-c", wanted], capture_output=True).returncode == 0:
            return each
    pytest.skip(f"{', '.join(modules)}: in no interpreter here or in HARNESS_TEST_PYTHONS (docs/servers.md)")


@contextlib.contextmanager
def running(folder: Path, *command: str, **environment: str) -> Iterator[str]:
    """A server's address once it lists its models. `{port}` in the command becomes a free port."""
    import httpx

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    words = [w.format(port=port) for w in command]
    address, log = f"http://127.0.0.1:{port}/v1", folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            words, stdout=out, stderr=out, env=os.environ | environment, start_new_session=True, cwd=folder
        )
        try:
            end = time.monotonic() + START
            while True:
                assert process.poll() is None and time.monotonic() < end, log.read_text()[-4000:]
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{address}/models", timeout=5).status_code == 200:
                        break
                time.sleep(0.5)
            yield address
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def for_vllm(folder: Path) -> Path:
    """tiny-llava with the names of tensors that vLLM looks for."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    for path in WEIGHTS.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(WEIGHTS / "model.safetensors")
    renamed = {k.replace("vision_tower.", "vision_tower.vision_model."): v for k, v in weights.items()}
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    return folder


REPAIR = """
import importlib.util, sys, types

if importlib.util.find_spec("torchvision") is None:
    stub = types.ModuleType("transformers.models.pixtral.image_processing_pixtral")
    stub._num_image_tokens = None
    sys.modules[stub.__name__] = stub
"""
"""A `sitecustomize` for a vLLM without torchvision: its LLaVA imports Pixtral's processor, but never calls it."""


def evaluated(results: str, *words: str) -> dict[str, dict[str, Any]]:
    """The journal of a run, by sample."""
    assert main(["eval", "logger=quiet", f"results={results}", *words]) == 0
    (path,) = Path(results, "runs").glob("*/samples.jsonl")
    return {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}


def differing(
    one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]], fields: Sequence[str]
) -> dict[str, tuple[Any, Any]]:
    """Samples whose rows differ in one of these fields, with both."""
    assert one.keys() == other.keys()
    told = {i: tuple([row[f] for f in fields] for row in (one[i], other[i])) for i in one}
    return {i: (a, b) for i, (a, b) in told.items() if a != b}

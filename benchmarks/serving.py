"""Model servers on loopback: started, repaired where they need it, their CPU seconds counted, and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

START = 900
"""Seconds that a server may take to start."""

REPAIR = """
import importlib.util, sys, types

if importlib.util.find_spec("torchvision") is None:
    stub = types.ModuleType("transformers.models.pixtral.image_processing_pixtral")
    stub._num_image_tokens = None
    sys.modules[stub.__name__] = stub
"""
"""A `sitecustomize` for a vLLM without torchvision: its LLaVA imports Pixtral's processor, but never calls it."""


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        address: Of its API, up to /v1.
        session: The session of its processes; no other process belongs to it.
    """

    address: str
    session: int

    def cpu(self) -> float:
        """CPU seconds of all its processes so far, as Linux counts them."""
        ticks = 0
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.session:
                    ticks += sum(map(int, fields[11:15]))  # its own, and of its children that have ended
        return ticks / os.sysconf("SC_CLK_TCK")

    def forget(self) -> None:
        """Empty vLLM's caches of prompts and pictures, so that a run finds nothing of the one before."""
        for cache in ("reset_prefix_cache", "reset_mm_cache", "reset_encoder_cache"):
            request = urllib.request.Request(f"{self.address.removesuffix('/v1')}/{cache}", method="POST")
            with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=30):
                pass


@contextlib.contextmanager
def running(folder: Path, *command: str, **environment: str) -> Iterator[Server]:
    """A server once it lists its models. `{port}` in the command becomes a free port; it writes to `server.log`.

    Raises RuntimeError with the end of its log where it stops, or does not answer within `START` seconds.
    """
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
            while not _lists(address):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{' '.join(words[:3])} does not answer:\n{log.read_text()[-4000:]}")
                time.sleep(0.5)
            yield Server(address, process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):  # its children too
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _lists(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/models", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextlib.contextmanager
def vllm(python: str, checkpoint: Path, place: Path, *words: str, length: int = 1024) -> Iterator[Server]:
    """vLLM on the CPU, float32.

    Args:
        python: The interpreter that has it.
        place: A folder for its log and its repair.
        words: More of its arguments.
        length: Tokens that a prompt and its answer may have.
    """
    (place / "sitecustomize.py").write_text(REPAIR)
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint), "--port", "{port}"]
    command += ["--dtype", "float32", "--max-model-len", str(length), *words]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_SERVER_DEV_MODE": "1"}
    settings |= {"PYTHONPATH": str(place), "HF_HUB_OFFLINE": "1"}
    patient = ("VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS", "VLLM_ENGINE_READY_TIMEOUT_S")  # cores may be busy
    settings |= dict.fromkeys(patient, "3600")
    with running(place, *command, **settings) as server:
        yield server


def for_vllm(checkpoint: Path, folder: Path) -> Path:
    """A LLaVA checkpoint with the names of tensors that vLLM looks for, in a new folder."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    for path in checkpoint.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(checkpoint / "model.safetensors")
    renamed = {k.replace("vision_tower.", "vision_tower.vision_model."): v for k, v in weights.items()}
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    return folder

"""A chat server on loopback, in a thread, that answers as a test says."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.cli import main
from harness.models.openai import Server

Said = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, body (bytes as they are, anything else as JSON), headers."""


@dataclass
class Served:
    """Where it listens, and what it was asked."""

    address: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


def said(content: Any, finish: str | None = "stop", usage: Any = None, **more: Any) -> Said:
    """A chat completion."""
    message = {"role": "assistant", "content": content, **more}
    usage = usage or {"prompt_tokens": 10, "completion_tokens": 5}
    return 200, {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}


@contextlib.contextmanager
def serving(
    answer: Callable[[dict[str, Any], int], Said], models: Said = (404, b""), schema: Said = (404, b"")
) -> Iterator[Served]:
    """`answer`: from a body and its number, counted from 1. `models`, `schema`: what GET /v1/models and /openapi.json
    say."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            self._send(*(schema if self.path == "/openapi.json" else models))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                served.bodies.append(body)
                served.paths.append(self.path)
                served.headers.append({k.lower(): v for k, v in self.headers.items()})
                number = len(served.bodies)
            self._send(*answer(body, number))

        def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**(headers or {}), "Content-Length": str(len(data))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def described(**fields: Sequence[str]) -> Said:
    """An OpenAPI document that names the fields of requests to /v1/chat/completions (`chat`) and /v1/completions."""
    paths = {"chat": "/v1/chat/completions", "text": "/v1/completions"}
    schemas = {name: {"properties": {key: {} for key in names}} for name, names in fields.items()}
    posts = {
        paths[n]: {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": f"#/schemas/{n}"}}}}}}
        for n in fields
    }
    return 200, {"paths": posts, "schemas": schemas}


def local_model(served: Served, **settings: Any) -> Server:
    """`model=openai` of that server, as its YAML would make it."""
    how: dict[str, Any] = {"key_env": "NONE", "concurrency": 2, "timeout": 9, "retries": 1, "backoff": 0.01}
    rest = {"send_stop": True, "extra": None, "price_in": None, "price_out": None}
    return Server("m", None, "", served.address, **(how | rest | settings))


QUESTIONS = 18


def play(served: Served | str, *words: str, task: str = "pope") -> int:
    """`harness eval` of a few questions; the exit code."""
    address = served if isinstance(served, str) else served.address
    base = [f"task={task}", "task.data=embedded", f"limit={QUESTIONS}", "logger=quiet", "model=openai", "model.name=m"]
    quick = ["model.retries=0", "model.backoff=0.01"]
    return main(["eval", *base, *quick, f"model.base_url={address}", *words])


def record() -> dict[str, Any]:
    (path,) = Path("results/runs").glob("*/run.json")
    return json.loads(path.read_text())


def rows() -> list[dict[str, Any]]:
    (path,) = Path("results/runs").glob("*/samples.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]

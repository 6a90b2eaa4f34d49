"""A request ends when its time is over, however the server spends it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.models.openai.local import said, serving

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

from harness.core.errors import BrokenPromise
from harness.models.openai.client import Client
from harness.models.openai.deadline import limited
from harness.models.openai.replies import Fault, reply

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "a body": (HEADERS, b"1\r\n \r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "a header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
    "news that it works": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@contextlib.contextmanager
def dripping(start: bytes, drop: bytes, *, reads: bool = True) -> Iterator[str]:
    """A server that sends `start` and then drops, for ever; one that does not read takes none of a long request."""
    over = threading.Event()

    def speak(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            if reads:
                peer.recv(2**16)
                peer.sendall(start)
            while not over.wait(0.05):
                if reads:
                    peer.sendall(drop)

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=speak, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        finally:
            over.set()
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def client(address: str, timeout: float = 0.5) -> Client:
    return Client(address, "NONE", connections=1, timeout=timeout, retries=0, backoff=0, say=lambda _: None)


def ask(address: str, body: object = None) -> None:
    """Raises Fault, within a few seconds."""
    began, made = time.monotonic(), client(address)
    try:
        made.ask("/chat/completions", {"messages": body}, reply)
    finally:
        made.close()
        assert 0.4 < time.monotonic() - began < 5


@pytest.mark.parametrize("slow", SLOW)
def test_a_server_that_drips(slow):
    with dripping(*SLOW[slow]) as address, pytest.raises(Fault, match=r"^no answer within 0\.5 seconds$") as fault:
        ask(address)
    assert fault.value.again


def test_a_server_that_takes_no_request():
    with dripping(b"", b"", reads=False) as address, pytest.raises(Fault, match=r"no answer within 0\.5 seconds"):
        ask(address, "x" * 2**24)


def test_a_server_that_drips_behind_a_proxy(monkeypatch):
    with dripping(*SLOW["a body"]) as address:
        monkeypatch.setenv("HTTP_PROXY", address.removesuffix("/v1"))
        with pytest.raises(Fault, match=r"no answer within 0\.5 seconds"):
            ask("http://models.invalid/v1")


def test_a_server_that_drips_its_list_of_models(monkeypatch):
    monkeypatch.setattr("harness.models.openai.client.PROBE", 0.5)
    with dripping(*SLOW["a body"]) as address:
        began, made = time.monotonic(), client(address, timeout=60)
        assert made.models() == [] and made.schema() is None
        made.close()
        assert time.monotonic() - began < 10


def test_a_connection_is_used_again_after_the_time_of_its_first_request():
    with serving(lambda body, n: said("Yes")) as served:
        made = client(served.address)
        for _ in range(2):
            assert made.ask("/chat/completions", {}, reply).made.text == "Yes"
            time.sleep(0.6)
        made.close()


def test_another_httpx_is_told_in_one_line():
    class Other:
        _mounts = {}  # noqa: RUF012

    with pytest.raises(BrokenPromise, match=r"keeps its connections elsewhere .*: install httpx<0\.29"):
        limited(Other())  # type: ignore[arg-type]

"""An end to a request as a whole. httpx limits each read alone, so that a server which sends a byte now and then would
be waited for without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from harness.core.errors import BrokenPromise

PIECE = 2**16
"""Bytes that are sent before the time is looked at again."""


class Deadline(threading.local):
    """When the request that this thread makes must be over: a client's requests run in the threads that make them."""

    due: float | None = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self.due = time.monotonic() + seconds
        try:
            yield
        finally:
            self.due = None

    def left(self, timeout: float | None, late: type[Exception]) -> float | None:
        """Seconds that may be waited, `timeout` at most. Raises `late` where none are left."""
        if self.due is None:
            return timeout
        seconds = self.due - time.monotonic()
        if seconds <= 0:
            raise late("the request took too long")
        return seconds if timeout is None else min(timeout, seconds)


def limited(client: httpx.Client) -> Deadline:
    """The deadline that this client keeps from now on, whichever proxy it goes through."""
    deadline = Deadline()
    try:
        for transport in (client._transport, *client._mounts.values()):  # httpx offers no way to them
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = _Backend(transport._pool._network_backend, deadline)
    except AttributeError as e:
        raise BrokenPromise(
            f"httpx {httpx.__version__} keeps its connections elsewhere ({e}), so that model.timeout would not end a "
            "request: install httpx<0.29, or report this"
        ) from e
    return deadline


class _Backend(httpcore.NetworkBackend):
    """Opens connections that keep the deadline."""

    def __init__(self, inner: httpcore.NetworkBackend, deadline: Deadline):
        self._inner, self._deadline = inner, deadline

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *rest: Any, **more: Any) -> _Stream:
        seconds = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, seconds, *rest, **more), self._deadline)


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait ends with the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline):
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), PIECE):
            self._inner.write(buffer[at : at + PIECE], self._deadline.left(timeout, httpcore.WriteTimeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        seconds = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

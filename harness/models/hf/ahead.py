"""Pictures preprocessed by threads ahead of the model: a GPU would wait for one core. On a CPU the model has the cores.

The results are those of the processor in the order of the prompts, whatever thread is first.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from harness.core.types import Request

THREADS = 8
DEPTH = 64
"""Pictures that are made or lie ready beyond the one that is asked for."""


class Ahead:
    """`make` makes what a request with one picture becomes, in any thread."""

    def __init__(self, make: Callable[[Request], Any], threads: int | None = None):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.make, self.threads = make, min(THREADS, cores - 1) if threads is None else threads
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Request] = deque()
        self._begun: OrderedDict[str, Future[Any]] = OrderedDict()

    def expect(self, requests: Iterable[Request]) -> None:
        """The pictures of these requests will be asked for, about in this order. Forgets what was expected before."""
        self._begun.clear()
        self._waiting = deque({r.pictures[0].digest: r for r in requests if len(r.pictures) == 1}.values())
        if self.threads > 0 and len(self._waiting) > 1:
            self._pool = self._pool or ThreadPoolExecutor(self.threads, "pictures")
            self._begin()

    def take(self, digest: str) -> Any | None:
        """What was made of a picture, waited for if need be; None where it was not expected, or failed (it fails again
        where it is asked for)."""
        future = self._begun.pop(digest, None)
        if self._pool:
            self._begin()
        if future is None or future.exception() is not None:
            return None
        return future.result()

    def _begin(self) -> None:
        """Submit what may lie ready; what was passed by makes room."""
        assert self._pool
        while self._waiting and len(self._begun) < DEPTH:
            request = self._waiting.popleft()
            self._begun[request.pictures[0].digest] = self._pool.submit(self.make, request)

"""How many requests are under way at a time: as many as the server answers well within the time-out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

ROOM = 4
"""Twice as many are asked at a time while answers take less than the ROOM-th part of the time-out."""
ALIKE = 1.5
"""Answers of a server that works in parallel take less than so many times what those of half as many took."""
CALM = 8
"""Rounds of answers before the limit grows again once the server was too busy, or gained nothing from more."""


@dataclass(frozen=True)
class Passage:
    """A request that is under way since `began`."""

    gate: Gate
    began: float

    def answered(self) -> None:
        """The server answered it."""
        self.gate.answered(self.began)

    def busy(self) -> None:
        """The server had too much to do for it."""
        self.gate.busy(self.began)


class Gate:
    """Begins with one request at a time and doubles while the server keeps pace, up to `most`: a server that answers
    one request after the other would let the last of eight wait for all others, beyond the time-out.

    Args:
        most: Requests at a time that the user allows.
        timeout: Seconds that a request may take.
        narrowed: Called with the new limit when the server was too busy.
    """

    def __init__(
        self,
        most: int,
        timeout: float,
        narrowed: Callable[[int], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ):
        self.most, self.timeout, self.narrowed, self.now = most, timeout, narrowed, now
        self.limit = 1
        self._inside = 0
        self._free = threading.Condition()
        self._since = now()
        """When the limit last changed: requests from before say nothing about it."""
        self._round: list[float] = []
        """Seconds of the answers since then."""
        self._half: float | None = None
        """The median of these at half the limit; None where that is unknown."""
        self._calm = 0
        """Answers to wait for before the limit grows."""

    @contextmanager
    def passage(self) -> Iterator[Passage]:
        """Wait for a place among those under way, and hold it."""
        with self._free:
            self._free.wait_for(lambda: self._inside < self.limit)
            self._inside += 1
        try:
            yield Passage(self, self.now())
        finally:
            with self._free:
                self._inside -= 1
                self._free.notify_all()

    def answered(self, began: float) -> None:
        with self._free:
            if began < self._since:
                return
            self._round.append(self.now() - began)
            self._calm = max(0, self._calm - 1)
            if len(self._round) < self.limit:
                return
            if self.limit < self.most and not self._calm and self._pays():
                self._set(min(self.most, 2 * self.limit), median(self._round))
            elif self.limit > 1 and self._half and not self._pays():
                self._set(self.limit // 2, None)
                self._calm = CALM * self.most
            else:
                self._round = []

    def busy(self, began: float) -> None:
        with self._free:
            if began < self._since:
                return
            lower = self.limit > 1
            self._set(max(1, self.limit // 2), None)
            self._calm = CALM * self.most
        if lower:
            self.narrowed(self.limit)

    def _pays(self) -> bool:
        """Whether the server answered this round as a server does that could take twice as many."""
        if max(self._round) < self.timeout / ROOM:
            return True
        if self._half is None:
            return 2 * max(self._round) < self.timeout
        return median(self._round) < ALIKE * self._half

    def _set(self, limit: int, half: float | None) -> None:
        self.limit, self._half, self._round, self._since = limit, half, [], self.now()
        self._free.notify_all()

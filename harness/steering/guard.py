"""Checks in the run itself what the steering layer relies on, so that a change in transformers cannot be silent.

A method that is attached counts on this: the decoder is handed a cache that grows by the tokens that are fed; each
hook fires once a pass and sees the hidden states of that pass; the attention function is called in each layer that is
edited, with the mask of padded batches; the logits processor is called once a pass. All of it is counted while the
run plays, and compared at its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from harness.core.errors import BrokenPromise
from harness.steering import compat


def broken(what: str) -> BrokenPromise:
    """The error for an assumption that does not hold, with the versions that a user can compare."""
    return BrokenPromise(
        f"{what}: methods cannot be trusted with transformers {compat.installed()} (tested: {compat.OLDEST} to "
        f"{compat.NEWEST}); install a tested version, or report this"
    )


@dataclass(slots=True)
class Point:
    """One hook: what it is on, and how often it has fired."""

    name: str
    fired: int = 0


@dataclass
class Guard:
    """The counters of one attached run.

    Attributes:
        expected: Tokens that the next pass and its cache must hold together; None where nobody knows.
        padded: Whether the batch has padding, so that attention must be given a mask.
        passes: Calls of the decoder so far.
        rows, query: Shape of the present pass.
    """

    expected: int | None = None
    padded: bool = False
    passes: int = 0
    rows: int = 0
    query: int = 0
    points: list[Point] = field(default_factory=list)

    def point(self, name: str) -> Point:
        """A hook that must fire once in each pass."""
        self.points.append(Point(name))
        return self.points[-1]

    def enter(self, rows: int, query: int, total: int) -> None:
        """The decoder is called with `query` new tokens in each of `rows` rows; with its cache it holds `total`."""
        if self.expected is not None and total != self.expected:
            raise broken(
                f"in pass {self.passes + 1} the decoder holds {total} tokens where {self.expected} have been fed"
            )
        if self.expected is not None:
            self.expected += 1
        self.rows, self.query = rows, query
        self.passes += 1

    def saw(self, point: Point, x: Tensor) -> None:
        """A hook fired with states x [rows, query, ...]."""
        point.fired += 1
        if x.shape[0] != self.rows or x.shape[1] != self.query:
            raise broken(
                f"{point.name} got states of shape {tuple(x.shape)} in a pass of {self.rows} x {self.query} tokens"
            )

    def attended(self, point: Point, columns: int, total: int, mask: Any, sliding: bool) -> None:
        """The attention function was called with `columns` keys while the sequence holds `total` tokens."""
        point.fired += 1
        if columns != total and not (sliding and columns < total):
            raise broken(f"{point.name} got {columns} keys for {total} tokens")
        if mask is None and self.padded:
            raise broken(f"{point.name} got no mask for a padded batch")

    def settle(self) -> None:
        """Raises BrokenPromise unless the decoder was called and each hook fired once in each pass."""
        if not self.passes:
            raise broken("the hook on the decoder never fired")
        for point in self.points:
            if point.fired != self.passes:
                raise broken(f"{point.name} was called {point.fired} times in {self.passes} passes")

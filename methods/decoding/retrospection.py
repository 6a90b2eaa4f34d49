"""OPERA's retrospection-allocation: when to go back, to which state, and what may not be chosen again there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.methods.decoding.beams import Beams

FIRST = 10
"""Columns before this one are never gone back to."""
WINDOW = 512
"""Length of answer up to which the released code goes back."""


@dataclass
class State:
    """The search at one length n of the answer."""

    beams: Beams
    products: Tensor
    """Products of scaled attention, down each column of the answer so far [B, n]."""
    history: Tensor
    """Where the strongest column lay at each step [B, n]; n + 1 once the state is stored."""


class Retrospection:
    """Memory of one search. `code`: the released code. `paper`: its text; histories follow their hypotheses."""

    def __init__(self, form: str, threshold: int, limit: int):
        """`threshold`: steps for which all beams must point at one column. `limit`: visits to one position."""
        self.form, self.threshold, self.limit = form, threshold, limit
        self.visits: Counter[int] = Counter()
        self._past: list[State] = []
        self._forbidden: dict[int, Tensor] = {}

    def store(self, state: State) -> None:
        self._past.append(replace(state, beams=state.beams.snapshot()))

    def position(self) -> int | None:
        """Where to go back to: just after the summary token that all beams have pointed at for too long."""
        history = self._past[-1].history
        place = int(history[:, -1].mode().values)
        if place < FIRST or bool(((history == place).sum(1) <= self.threshold).any()) or history.shape[1] > WINDOW:
            return None
        at = place + 1
        if self.form == "code" and self.visits[at] >= self.limit:
            at -= 1  # one earlier, or not at all
        while self.form == "paper" and at > FIRST and self.visits[at] >= self.limit:
            at -= 1
        if self.visits[at] >= self.limit or (self.form == "paper" and at >= len(self._past) - 1):
            return None
        self.visits[at] += 1
        return at

    def back(self, at: int) -> tuple[State, Tensor]:
        """The state to continue from, and what led on from there: (beam, token) pairs as in `Beams.picks`.

        The state is handed out itself, not a copy: as in the released code, answers that end after it stay ended when
        the search comes back to it.
        """
        steps = len(self._past)
        kept = min(at, steps - 2)
        left = self._past[kept + 1].beams.picks
        assert left is not None
        del self._past[kept + 1 :]
        before = self._forbidden.get(at)
        pairs = left if before is None else torch.cat([before, left])
        if self.form == "paper":
            self._forbidden = {p: f for p, f in self._forbidden.items() if p < at}
        else:  # the released code forgets the next position, and counts others from the end of its window
            last = WINDOW - max(0, steps - at - 2)
            self._forbidden = {p: f for p, f in self._forbidden.items() if p != at + 1 and p < last}
        self._forbidden[at] = pairs
        return self._past[kept], pairs

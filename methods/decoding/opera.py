"""OPERA: beam search that punishes over-trust in one summary token, and goes back where it lasts (arXiv 2311.17911)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Run, Steering, View
from harness.steering.loop import Loop

EARLY = 10
"""Up to this length of the response a candidate is rewarded for looking at the picture instead (in the code only)."""


@dataclass
class Beam:
    """One hypothesis. `rows`: last-layer attention of its tokens to all columns (maximum over heads, sum 1)."""

    score: float
    tokens: list[int] = field(default_factory=list)
    rows: list[Tensor] = field(default_factory=list)
    history: list[int] = field(default_factory=list)
    """Where the strongest column lay, at each step."""


class Opera(Steering):
    """Over-trust penalty and retrospection-allocation."""

    name = "opera"
    scope = "all"
    sampling = False

    def __init__(self, beams: int, candidates: int, alpha: float, sigma: float, threshold: int, rollbacks: int):
        """`beams`: hypotheses. `candidates`: tokens tried for each. `alpha`: weight of the penalty. `sigma`: scale of
        attention in it. `threshold`: steps for which all beams must point at one column before going back.
        `rollbacks`: how often at most to one position.
        """
        if beams < 1 or candidates < 1:
            raise UsageError(f"method.opera.beams={beams} and method.opera.candidates={candidates} must be at least 1")
        self.beams, self.candidates, self.alpha, self.sigma = beams, candidates, alpha, sigma
        self.threshold, self.rollbacks = threshold, rollbacks
        self._rows: Tensor | None = None
        self._image: Tensor | None = None

    def layers(self, view: View) -> Sequence[int]:
        return (view.depth - 1,)

    def attention_weights(self, l: int, w: Tensor, run: Run) -> Tensor | None:
        top = w[:, :, -1].float().amax(1)
        self._rows, self._image = top / top.sum(-1, keepdim=True), run.image(self)[0]
        return None

    def decode(self, loop: Loop) -> list[int]:
        z = loop.start()
        beams = [Beam(0.0)]
        finished: list[tuple[float, list[int]]] = []
        stored: list[list[Beam]] = []
        forbidden: dict[int, set[int]] = {}
        visits: Counter[int] = Counter()
        while len(beams[0].tokens) < loop.max_new_tokens:
            stored.append(beams)
            tried = self._tried(z, beams, forbidden.get(len(beams[0].tokens), set()))
            loop.fork(tried.shape[1])
            z = loop.feed(tried.reshape(-1, 1))
            grown, parents = self._grow(beams, tried, z, loop, stored_logits=self._logits)
            order = sorted(range(len(grown)), key=lambda i: -grown[i].score)
            ended = [grown[i] for i in order[: 2 * self.beams] if grown[i].tokens[-1] in loop.eos]
            finished += [(b.score / len(b.tokens), b.tokens[:-1]) for b in ended]
            alive = [i for i in order if grown[i].tokens[-1] not in loop.eos][: self.beams]
            if not alive or (
                len(finished) >= self.beams
                and max(f[0] for f in finished) >= grown[alive[0]].score / len(grown[alive[0]].tokens)
            ):
                break
            beams = [grown[i] for i in alive]
            loop.select([parents[i] for i in alive])
            z = z[[parents[i] for i in alive]]
            if (back := self._retrospect(beams, visits)) is not None:
                at = min(len(b.tokens) for b in beams)
                chosen = {b.tokens[back] for b in beams if back < at}
                forbidden.setdefault(back, set()).update(chosen)
                beams, stored = stored[back], stored[:back]
                z = self._rebuild(loop, beams)
        finished += [(b.score / max(1, len(b.tokens)), b.tokens) for b in beams]
        return max(finished, key=lambda f: f[0])[1]

    def _tried(self, z: Tensor, beams: Sequence[Beam], forbidden: set[int]) -> Tensor:
        """The best `candidates` tokens of each beam [B, C]; its logits are kept for the scores."""
        if forbidden:
            z = z.index_fill(1, torch.tensor(sorted(forbidden), device=z.device), -torch.inf)
        self._logits, tokens = z.topk(min(self.candidates, z.shape[1]), -1)
        return tokens

    def _grow(
        self, beams: Sequence[Beam], tried: Tensor, z: Tensor, loop: Loop, stored_logits: Tensor
    ) -> tuple[list[Beam], list[int]]:
        """Every candidate as a beam with its score, and its row in the cache."""
        assert self._rows is not None and self._image is not None
        grown, parents, count = [], [], tried.shape[1]
        for b, beam in enumerate(beams):
            penalties, places, rows = [], [], []
            for c in range(count):
                row = self._rows[b * count + c]
                rows.append([*beam.rows, row])
                columns = column_scores(rows[-1], loop.run.length, self.sigma)
                places.append(int(columns.argmax()))
                early = len(rows[-1]) <= EARLY
                penalties.append(-row[self._image].sum() if early else columns.max())
            scores = (stored_logits[b] - self.alpha * torch.stack(penalties)).log_softmax(-1).tolist()
            place = Counter(places).most_common(1)[0][0]
            for c in range(count):
                grown.append(
                    Beam(beam.score + scores[c], [*beam.tokens, int(tried[b, c])], rows[c], [*beam.history, place])
                )
                parents.append(b * count + c)
        return grown, parents

    def _retrospect(self, beams: Sequence[Beam], visits: Counter[int]) -> int | None:
        """Where to go back to: all beams have pointed at one column more than `threshold` times."""
        place = Counter(b.history[-1] for b in beams).most_common(1)[0][0]
        if place < EARLY or any(b.history.count(place) <= self.threshold for b in beams):
            return None
        back = place + 1
        while back >= EARLY and visits[back] >= self.rollbacks:
            back -= 1
        if back < EARLY or back >= len(beams[0].tokens):
            return None
        visits[back] += 1
        return back

    def _rebuild(self, loop: Loop, beams: Sequence[Beam]) -> Tensor:
        """The cache of stored beams, from the prompt on: logits of their next tokens."""
        loop.cut(0)
        loop.select([0] * len(beams))
        return loop.feed(torch.tensor([b.tokens for b in beams], device=loop.view.device))


def column_scores(rows: Sequence[Tensor], start: int, sigma: float) -> Tensor:
    """Score of each response column [t]: 1e-7 times the product, down the column, of sigma times attention. `rows`: of
    the response's tokens; the response's columns begin at `start`."""
    size = len(rows)
    width = start + size
    square = torch.stack([torch.nn.functional.pad(r, (0, width - len(r)))[start:width] for r in rows]).double() * sigma
    below = torch.ones(size, size, dtype=torch.bool, device=square.device).tril()
    return 1e-7 * torch.where(below, square, 1.0).prod(0)

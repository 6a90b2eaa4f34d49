"""OPERA: beam search that punishes over-trust in one summary token, and goes back where it lasts (arXiv 2311.17911)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods.decoding.beams import Beams
from harness.methods.decoding.retrospection import Retrospection, State
from harness.steering import Batch, Steering, View
from harness.steering.decode_loop import Loop

EARLY = 10
"""Up to this length of the answer a candidate is rewarded for looking at the picture instead (in the code only)."""
OUT = -999.0
"""Logit of tokens that are not candidates."""


@dataclass
class Tried:
    """Each beam's candidates after a pass of their own; rows are beams x candidates."""

    tokens: Tensor
    """[B, C]."""
    scores: Tensor
    """Logits of this step, punished, OUT for all other tokens [B, V]."""
    places: Tensor
    """Strongest column of most candidates [B]."""
    z: Tensor
    """Logits of the next step [B * C, V]."""
    products: Tensor
    """[B * C, n + 1]."""

    def rows(self, parents: Tensor, tokens: Tensor) -> Tensor | None:
        """Where these tokens of these beams were tried, None if one was not."""
        found = self.tokens[parents] == tokens[:, None]
        return parents * found.shape[1] + found.int().argmax(1) if bool(found.any(1).all()) else None


class Opera(Steering):
    """Over-trust penalty and retrospection-allocation."""

    name = "opera"
    scope = "all"
    sampling = False

    def __init__(
        self,
        beams: int,
        candidates: int,
        alpha: float,
        sigma: float,
        threshold: int,
        rollbacks: int | None,
        form: str,
    ):
        """`beams`: hypotheses. `candidates`: tokens tried for each. `alpha`: weight of the penalty. `sigma`: scale of
        attention in it. `threshold`: steps for which all beams must point at one column before going back.
        `rollbacks`: how often at most to one position; null: as many as candidates. `form`: whose rollback.
        """
        if beams < 1 or candidates < 1:
            raise UsageError(f"method.opera.beams={beams} and method.opera.candidates={candidates} must be at least 1")
        if form not in ("code", "paper"):
            raise UsageError(f"method.opera.form={form} is unknown: choose code or paper")
        self.beams, self.candidates, self.alpha, self.sigma = beams, candidates, alpha, sigma
        self.threshold, self.rollbacks, self.form = threshold, rollbacks, form
        self._row = self._image = torch.empty(0)

    def layers(self, view: View) -> Sequence[int]:
        return (view.depth - 1,)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        top = w[:, :, -1].float().amax(1)
        self._row, self._image = top / top.sum(-1, keepdim=True), batch.image(self)[0]
        return None

    def decode(self, loop: Loop) -> list[int]:
        z = loop.start()
        beams = Beams.first(self.beams, prompt_length(loop), z.device)
        state = State(beams, z.new_zeros(1, 0), z.new_zeros(1, 0).long())
        limit = self.candidates if self.rollbacks is None else self.rollbacks
        retrospection = Retrospection(self.form, self.threshold, limit)
        while state.beams.length < loop.max_new_tokens:
            tried = self._try(loop, z, state.products)
            state.history = torch.cat([state.history, tried.places[:, None]], 1)
            retrospection.store(state)
            scores = tried.scores
            if (at := retrospection.position()) is not None:
                state, z, scores, tried = self._go_back(loop, retrospection, at)
            grown = state.beams.grow(scores, loop.eos)
            if grown is None:
                return state.beams.ended.best
            state, z = self._advance(loop, state, z, grown, tried)
        return state.beams.finish()

    def _try(self, loop: Loop, z: Tensor, products: Tensor) -> Tried:
        """One pass for the best candidates of each beam, and what they are worth after it."""
        logits, tokens = z.topk(min(self.candidates, z.shape[1]))
        loop.fork(tokens.shape[1])
        after = loop.feed(tokens.reshape(-1, 1))
        products = self._down(products.repeat_interleave(tokens.shape[1], 0))
        worst, places = column_scores(products).view(*tokens.shape, -1).max(-1)
        looks = self._row[:, self._image].sum(-1).view(tokens.shape)
        penalty = -looks if products.shape[1] <= EARLY else worst
        if self.alpha:  # 0 times an overflown score would not be 0
            logits = logits - self.alpha * penalty
        scores = torch.full_like(z, OUT).scatter(1, tokens, logits)
        return Tried(tokens, scores, places.mode(-1).values, after, products)

    def _down(self, products: Tensor) -> Tensor:
        """The products [b, n] one row further down [b, n + 1]: the newest token's attention to the answer's columns."""
        n = products.shape[1] + 1
        row = self.sigma * torch.nn.functional.pad(self._row[:, -n:], (max(0, n - self._row.shape[1]), 0))
        return torch.cat([products * row[:, :-1], row[:, -1:]], 1)

    def _go_back(self, loop: Loop, retrospection: Retrospection, at: int) -> tuple[State, Tensor, Tensor, Tried | None]:
        """An earlier state, its logits, what its next tokens are worth, and its candidates if there are any.

        The released code chooses among all tokens then, unpunished.
        """
        state, pairs = retrospection.back(at)
        loop.cut(0)
        loop.select([0] * self.beams)
        z = loop.feed(torch.tensor(state.beams.tokens, device=loop.view.device))
        if self.form == "code":
            z = z - (-OUT + z.amin(-1, keepdim=True))  # the least likely token falls to OUT, and so do the excluded
            return state, z, z.flatten().scatter(0, pairs, OUT).view_as(z), None
        z = z.flatten().scatter(0, pairs, -torch.inf).view_as(z)
        tried = self._try(loop, z, state.products)
        return state, z, tried.scores, tried

    def _advance(self, loop: Loop, state: State, z: Tensor, grown: Beams, tried: Tried | None) -> tuple[State, Tensor]:
        """The state of the chosen beams, and their logits. The passes of candidates are used again."""
        assert grown.picks is not None
        tokens = grown.picks % z.shape[1]
        parents = (grown.picks // z.shape[1]).clamp(max=len(z) - 1)  # before the first token there is one row for all
        history = state.history.expand(self.beams, -1) if self.form == "code" else state.history[parents]
        rows = tried.rows(parents, tokens) if tried else None
        if tried and rows is not None:
            loop.select(rows)
            return State(grown, tried.products[rows], history), tried.z[rows]
        loop.cut(state.beams.length)
        loop.select(parents * tried.tokens.shape[1] if tried else parents)
        z = loop.feed(tokens[:, None])
        return State(grown, self._down(state.products[parents]), history), z


def prompt_length(loop: Loop) -> int:
    """Tokens of the prompt; each unbroken run of image tokens counts as one, like the picture in the released code."""
    ids = loop.batch.samples[0].tensors["input_ids"][0].tolist()
    runs = groupby(ids, key=lambda token: token == loop.view.image_token_id)
    return sum(1 if image else len(list(batch)) for image, batch in runs)


def column_scores(products: Tensor) -> Tensor:
    """Score of each column of the answer [b, n]: 1e-7 times the product of scaled attention down the column, in half
    precision as in the released code: it falls to 0 below 3e-8 and overflows above 65504."""
    return (1e-7 * products).half()

"""LazyEviction: evict every few steps, and what has been quiet for longer than it ever was (arXiv 2506.15969)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.eviction import Entries, Eviction, best, grown
from harness.steering import Batch

FORMS = ("code", "paper")


class LazyEviction(Eviction):
    """Keeps, of each entry, when it was last important and the longest gap between two such moments."""

    name = "lazyeviction"
    refills = by_column = (*Eviction.by_column, "_stamp", "_interval")

    def __init__(self, budget: float | None, window: int, alpha: float, form: str, cache: str):
        """`budget`: entries after an eviction (`Eviction`). `window`: steps from one eviction to the next, and recent
        entries that stay. `alpha`: attention from which a moment counts. `form`: of the score, code or paper.
        """
        if form not in FORMS:
            raise UsageError(f"method.{self.name}.form={form} is unknown: choose code or paper")
        if window < 1:
            raise UsageError(f"method.{self.name}.window={window} must be 1 or more")
        super().__init__(budget, cache)
        self.window, self.alpha, self.form = window, alpha, form

    def _begin(self) -> None:
        super()._begin()
        self._stamp: dict[int, Tensor] = {}
        self._interval: dict[int, Tensor] = {}

    def observe(self, l: int, w: Tensor, entries: Entries, batch: Batch) -> None:
        """Decode steps t = 1, 2, ... of each row: time stamps and largest intervals of entries [n, Hk, k]."""
        if batch.prefill:
            self._stamp[l] = self._interval[l] = torch.zeros_like(w[:, :, 0, 0], dtype=torch.int32)
            return
        t, held = self._step(entries), self._stamp[l].shape[-1]
        stamp, interval = grown(self._stamp[l], batch.total, 0), grown(self._interval[l], batch.total, 0)
        stamp[..., held:] = t - 1
        hit = w[:, :, :, -1].float().amax(2) >= self.alpha
        self._interval[l] = torch.where(hit, torch.maximum(interval, t - stamp), interval)
        self._stamp[l] = torch.where(hit, t, stamp)

    def choose(self, l: int, kept: Tensor, entries: Entries, batch: Batch) -> Tensor:
        t = self._step(entries)
        due = t % self.window == 0
        if batch.prefill or not due.any():
            return kept
        recent = entries.last(self._recent(entries))
        over = ((kept & entries.present[:, None]).sum(-1) > entries.budget[:, None])[..., None]
        among = kept & entries.present[:, None] & ~recent
        chosen = recent | best(self.importance(l, t), among, entries.budget - self._recent(entries))
        return torch.where(over & due, chosen, kept)

    def importance(self, l: int, t: Tensor | int) -> Tensor:
        """H1 + H2 of each entry at step t [n, 1, 1]: recency by its own rhythm, and how short that rhythm is."""
        return importance(t - self._stamp[l].float(), self._interval[l].float(), self.form)

    def _recent(self, entries: Entries) -> Tensor:
        return (entries.budget - 1).clamp(max=self.window)

    def _step(self, entries: Entries) -> Tensor:
        """Tokens that each row has written [n, 1, 1]."""
        return (entries.length - entries.prompt).int()[:, None, None]


def importance(quiet: Tensor, interval: Tensor, form: str) -> Tensor:
    """Score of entries that have been quiet for so many steps, with their largest interval (0: none yet).

    `form`: as released, 2 sigmoid(-(1 + quiet / interval)) + 2 sigmoid(1 - interval); or as the paper is summarised,
    2 sigmoid(-quiet / interval) + 2 sigmoid(-1 / interval).
    """
    known = interval > 0
    if form == "code":
        recency = 2 * torch.sigmoid(-(1 + quiet / (interval + 1e-5)))
        rhythm = 2 * torch.sigmoid(1 - interval)
    else:
        recency = 2 * torch.sigmoid(-quiet / (interval + 1e-5))
        rhythm = 2 * torch.sigmoid(-1 / interval.clamp(min=1))
    return recency + rhythm * known

"""What all policies of cache eviction share: who is kept, how it is hidden or dropped, and what share is left.

Entries keep their rotary positions, so an entry that is evicted from one head is an entry that this head cannot see in
any later row. A policy is chosen for each key-value head: what its query heads attend to is averaged (or their largest
taken), where released code copies keys and values to all query heads and keeps a list for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Batch, Steering

CACHES = ("delta", "gui_kv", "h2o", "lazyeviction", "snapkv", "streaming_llm", "stride", "window")
"""The methods that decide what of the cache is read: one at a time."""
LEAST = 2
"""Entries that any budget leaves."""


@dataclass(frozen=True)
class Entries:
    """The columns of a layer, of n rows.

    Attributes:
        present: Which columns hold tokens, bool [n, k].
        position: The number of each column's token in its row [n, k].
        prompt: Tokens of each row's prompt [n].
        budget: Entries that each row may hold of it [n].
    """

    present: Tensor
    position: Tensor
    prompt: Tensor
    budget: Tensor

    @property
    def length(self) -> Tensor:
        """Tokens of each row so far [n]."""
        return self.present.sum(-1)

    def last(self, count: Tensor | int) -> Tensor:
        """The last `count` tokens of each row, bool [n, 1, k]."""
        first = self.length - count
        return (self.present & (self.position >= first[:, None]))[:, None]


class Eviction(Steering):
    """A policy: after each pass it says which entries of a layer stay (`choose`)."""

    prefix = "plain"
    beams = False
    refills = by_column = ("_kept", "_share")
    looks_back = False
    """Whether the policy reads rows of the prompt other than the last."""

    def __init__(self, budget: float | None, cache: str):
        """`budget`: entries that a head may hold, a share of the prompt up to 1 or a number of tokens; null for all.
        `cache`: mask (the others are hidden) or evict (they are dropped, and their memory with them).
        """
        if cache not in ("mask", "evict"):
            raise UsageError(f"method.{self.name}.cache={cache} is unknown: choose mask or evict")
        check_budget(f"method.{self.name}.budget", budget)
        self.budget, self.drops = budget, cache == "evict"
        if self.drops or (budget is not None and self.looks_back):
            self.prefix = "none"  # a shared prefix is encoded before the question is known, and would be dropped from
        self.conflicts = tuple(n for n in CACHES if n != self.name)
        self._begin()

    def _begin(self) -> None:
        self._kept: dict[int, Tensor] = {}
        self._share = Share()
        self._bytes = 0

    def prepare(self, batch: Batch) -> None:
        self._begin()

    def observe(self, l: int, w: Tensor, entries: Entries, batch: Batch) -> None:
        """Each pass, before `choose`: take note of the attention `w` [n, Hk, heads of the group, rows, k]."""

    def choose(self, l: int, kept: Tensor, entries: Entries, batch: Batch) -> Tensor:
        """Which entries stay after this pass, bool [n, Hk, k]; one that is not in `kept` is gone for good. Asked where
        some row has more than its budget."""
        raise NotImplementedError

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        if l not in self._kept or self.drops or self.budget is None:
            return None
        kept = grown(self._kept[l], batch.total, True)[..., -a.shape[-1] :]
        if kept.all():
            return None
        hidden = ~kept.repeat_interleave(a.shape[1] // kept.shape[1], 1)[:, :, None]
        return a.masked_fill(hidden, torch.finfo(a.dtype).min)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        entries, heads = self.entries(batch), kv_heads(batch)
        if self.budget is None:
            self._note(batch, entries.present[:, None], entries.present)
            return None
        w = F.pad(w, (batch.total - w.shape[-1], 0)).unflatten(1, (heads, -1))  # a sliding window keeps the last ones
        self.observe(l, w * entries.present[:, None, None, -w.shape[3] :, None], entries, batch)  # padding looks, too
        before = self._kept.get(l)
        if before is None:
            before = w.new_ones(len(w), heads, 1, dtype=torch.bool)
        before = grown(before, batch.total, True)
        after = before & self.choose(l, before, entries, batch) if self.evicts(entries) else before
        self._note(batch, after if batch.prefill else before, entries.present)
        self._kept[l] = after
        return None

    def evicts(self, entries: Entries) -> bool:
        """Whether any row has more entries than its budget."""
        return bool((entries.length > entries.budget).any())

    def stays(self, l: int, batch: Batch) -> Tensor | None:
        return None if self.budget is None else self._kept[l] & self.entries(batch).present[:, None]

    def entries(self, batch: Batch) -> Entries:
        return entries(self, batch, self.budget)

    def _note(self, batch: Batch, kept: Tensor, present: Tensor) -> None:
        self._share.note(batch, kept, present[:, None])
        if batch.cache is not None:
            self._bytes = max(self._bytes, batch.cache.bytes)

    def measured(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[float]]:
        found: dict[str, Sequence[float]] = {"kept_share": self._share.means(batch, passes)}
        if self.drops:
            found["cache_bytes"] = [self._bytes / len(passes)] * len(passes)
        return found


def check_budget(name: str, budget: float | None) -> None:
    """Raises UsageError unless it is null, a share in (0, 1], or a whole number of tokens."""
    if budget is not None and not 0 < budget <= 1 and not (budget >= LEAST and budget == int(budget)):
        raise UsageError(f"{name}={budget} must be a share of the prompt in (0, 1], or a number of tokens from {LEAST}")


def entries(method: Steering, batch: Batch, budget: float | None) -> Entries:
    """The columns of the present pass, of all that were ever there, for a method with this budget."""
    columns, batch.columns = batch.columns, batch.total
    present, position = batch.present(method), batch.positions(method)
    prompt = batch.prompt(method).sum(-1)
    batch.columns = columns
    return Entries(present, position, prompt, allowed(budget, prompt))


def allowed(budget: float | None, prompt: Tensor) -> Tensor:
    """Entries that a budget allows prompts of these lengths [n]."""
    if budget is None:
        return torch.full_like(prompt, torch.iinfo(prompt.dtype).max)
    share = prompt * budget if budget <= 1 else torch.full_like(prompt, int(budget))
    return share.long().clamp(min=LEAST)


class Share(dict[str, Tensor]):
    """What share of the tokens so far rows of attention could see: at the column of each row [n, k], as a sum over
    layers and their number."""

    def note(self, batch: Batch, seen: Tensor, present: Tensor) -> None:
        """One layer of a pass: `seen` [n, ..., k] of the columns that are `present`."""
        here = present.expand_as(seen)
        share = (seen & here).flatten(1).sum(-1) / here.flatten(1).sum(-1)
        for name, value in (("sum", share), ("layers", torch.ones_like(share))):
            old = self.get(name, value.new_zeros(len(value), 0))
            self[name] = grown(old, batch.total, 0.0)
            self[name][:, -1] += value

    def means(self, batch: Batch, passes: Sequence[int]) -> list[float]:
        """Of each sample: mean over layers and decode steps; where none follows the prompt, what the prompt leaves."""
        if not self:
            return [1.0] * len(passes)
        shares = (self["sum"] / self["layers"]).cpu()
        steps = [s if s.stop > s.start else slice(s.start - 1, s.start) for s in batch.steps(passes)]
        return [float(shares[i, s].mean()) for i, s in enumerate(steps)]


def kv_heads(batch: Batch) -> int:
    """Key-value heads of the decoder."""
    config = batch.view.decoder.config
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads


def grown(x: Tensor, columns: int, new: float) -> Tensor:
    """What was noted of each entry [n, Hk, k], with `new` for those that have come since."""
    return F.pad(x, (0, columns - x.shape[-1]), value=new)


def best(score: Tensor, among: Tensor, count: Tensor) -> Tensor:
    """The `count` [n] entries with the largest score [n, Hk, k] of those in `among`; of equal ones the later."""
    score = score.float().masked_fill(~among, -torch.inf)
    order = score.flip(-1).argsort(dim=-1, descending=True, stable=True)
    places = torch.arange(score.shape[-1], device=score.device).expand_as(order)
    rank = torch.empty_like(order).scatter(-1, order, places).flip(-1)
    return among & (rank < count[:, None, None])

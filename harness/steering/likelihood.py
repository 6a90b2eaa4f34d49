"""Likelihoods of given continuations: the model reads them instead of choosing words of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.core.decoding import Decoding
from harness.core.errors import UsageError
from harness.core.types import Likelihood
from harness.steering.batch import Batch
from harness.steering.finite import finite, require_sound
from harness.steering.forward import encode, read, sharing, undisturbed
from harness.steering.generation import Generated, generate
from harness.steering.inputs import Inputs, common_prefix
from harness.steering.method import Steering
from harness.steering.view import View

LOGITS = 100_000_000
"""Logits held at once (400 MB in float32): more rows are read in several passes."""


@dataclass(frozen=True)
class Ask:
    """A context, and the tokens of each continuation (none of them empty). `key` names the context's pictures."""

    context: Inputs
    continuations: Sequence[Sequence[int]]
    key: str = ""


@dataclass(frozen=True)
class _Row:
    """The context with a continuation but for its last token; `ends` are the last tokens asked for, with their places
    in the answer: continuations of one token cost one row together."""

    inputs: Inputs
    ask: int
    tail: tuple[int, ...]
    ends: list[tuple[int, int]]


def likelihoods(
    view: View, asks: Sequence[Ask], methods: Sequence[Steering], tokens: int = 12_000
) -> list[list[Likelihood]]:
    """Likelihoods of every continuation after its context.

    Without methods all tokens of a continuation are read in one pass, and what contexts have in common is read once.
    With methods the tokens are fed one by one, as if the model had chosen them, so that a method acts on them as it
    acts on an answer.

    Args:
        asks: Contexts with their continuations.
        tokens: Tokens of a batch, padding included.

    Raises:
        UsageError: as `forced`.
    """
    if methods:
        made = forced(view, asks, methods, tokens)
        return [[one.likelihood for one in some if one.likelihood] for some in made]
    out = [[Likelihood(0.0, True)] * len(a.continuations) for a in asks]
    with undisturbed(view):
        for part in _batched(view, _rows(asks), tokens):
            for row, found in zip(part, _read(view, part, asks), strict=True):
                for (place, _), one in zip(row.ends, found, strict=True):
                    out[row.ask][place] = one
    return out


def _rows(asks: Sequence[Ask]) -> list[_Row]:
    rows: dict[tuple[int, tuple[int, ...]], _Row] = {}
    for a, ask in enumerate(asks):
        for place, tokens in enumerate(ask.continuations):
            tail = tuple(tokens[:-1])
            if (a, tail) not in rows:
                rows[a, tail] = _Row(ask.context.extended(tail), a, tail, [])
            rows[a, tail].ends.append((place, tokens[-1]))
    return list(rows.values())


def _batched(view: View, rows: Sequence[_Row], tokens: int) -> list[list[_Row]]:
    """In the order given (by length); bounded by tokens and by logits."""
    vocabulary = view.decoder.get_input_embeddings().weight.shape[0]
    batches: list[list[_Row]] = []
    longest = tail = 0
    for row in rows:
        length, own = row.inputs.length, len(row.tail) + 1
        count = len(batches[-1]) + 1 if batches else 1
        longest, tail = max(longest, length), max(tail, own)
        if not batches or count * longest > tokens or count * tail * vocabulary > LOGITS:
            batches.append([])
            longest, tail = length, own
        batches[-1].append(row)
    return batches


def _read(view: View, part: Sequence[_Row], asks: Sequence[Ask]) -> list[list[Likelihood]]:
    """One pass over a batch; what saves most is shared: each context among its rows, or a beginning among all."""
    _share(part, asks)
    shared = sharing(view, [[r.inputs] for r in part], 1)
    out: list[list[Likelihood]] = [[] for _ in part]
    for flag in (True, False):
        if members := [i for i, s in enumerate(shared) if s == flag]:
            batch = Batch(view, (), [part[i].inputs for i in members])
            width = max(len(part[i].tail) for i in members) + 1
            logits = read(batch, width, encode(batch) if flag else None)
            for i, row in zip(members, logits, strict=True):
                require_sound(finite(row[-len(part[i].tail) - 1 :]), view.dtype, ())
                out[i] = _scored(row, part[i])
    return out


def _scored(logits: torch.Tensor, row: _Row) -> list[Likelihood]:
    """`logits` [width, V], right-aligned: position -1 predicts the last token."""
    logp = logits[-len(row.tail) - 1 :].float().log_softmax(-1)
    best = logp.argmax(-1)
    tail = torch.tensor(row.tail, dtype=torch.long, device=logp.device)
    before = logp[:-1].gather(1, tail[:, None]).sum() if row.tail else logp.new_zeros(())
    greedy = bool((best[:-1] == tail).all())
    return [Likelihood(float(before + logp[-1, end]), greedy and int(best[-1]) == end) for _, end in row.ends]


def _share(part: Sequence[_Row], asks: Sequence[Ask]) -> None:
    """Mark what rows have in common, in the way that leaves the fewest tokens to read."""
    for row in part:
        row.inputs.shared = None
    contexts = {row.ask: asks[row.ask].context.length for row in part}
    own = sum(contexts.values()) + sum(len(row.tail) + 1 for row in part)
    common = _common(part, asks)
    whole = common + sum(row.inputs.length - common for row in part)
    for row in part:
        if common and whole < own:
            row.inputs.shared = ("common", common)
        elif contexts[row.ask] > 1:
            row.inputs.shared = (f"{row.ask}", contexts[row.ask] - 1)


def _common(part: Sequence[_Row], asks: Sequence[Ask]) -> int:
    """Tokens with which all rows begin; none where they show different pictures."""
    if len({asks[row.ask].key for row in part}) > 1:
        return 0
    ids = [row.inputs.tensors["input_ids"][0] for row in part]
    short = min(row.inputs.length - len(row.tail) for row in part) - 1  # a context's last token predicts
    return min(max(0, short), common_prefix(ids))


def forced(view: View, asks: Sequence[Ask], methods: Sequence[Steering], tokens: int = 12_000) -> list[list[Generated]]:
    """Every continuation, fed token by token under the methods: its likelihood, and what probes read on the way.

    Raises UsageError where a method decodes by itself, so that nothing can be forced on it.
    """
    own = next((m.name for m in methods if m.has("decode")), None)
    if own:
        raise UsageError(f"method={own} decodes by itself: it gives no likelihoods, choose a task that generates")
    out: list[list[Generated]] = [[] for _ in asks]
    flat = [(a, c) for a, ask in enumerate(asks) for c in ask.continuations]
    step = max(1, tokens // max(asks[a].context.length + len(c) for a, c in flat))
    for start in range(0, len(flat), step):
        part = flat[start : start + step]
        inputs = []
        for a, _ in part:
            one = asks[a].context.extended(())
            one.marks, one.pair = asks[a].context.marks, asks[a].context.pair
            one.shared = (f"{asks[a].key}:{a}", one.length - 1) if one.length > 1 else None
            inputs.append(one)
        own_tokens = [list(c) for _, c in part]
        longest = max(map(len, own_tokens))
        made = generate(view, inputs, methods, Decoding(), longest, [0] * len(part), forced=own_tokens)
        for (a, _), one in zip(part, made, strict=True):
            out[a].append(one)
    return out

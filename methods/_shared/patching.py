"""Heads patched between a prompt and its counterpart: activation and path patching, and the repair of Circuit Reuse
(arXiv 2310.08744)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.readings import RATE, Reading
from harness.methods._shared.tracing import TOKENS, Patch, noised, played, traced
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.forward import undisturbed

Head = tuple[int, int]
"""Layer and head, both counted from 0."""


@dataclass(frozen=True)
class Paired:
    """A prompt, its counterpart of the same length, and the first tokens of their answers."""

    clean: Inputs
    other: Inputs
    tokens: tuple[int, int]

    def difference(self, z: Tensor) -> Tensor:
        """Of logits [..., V]: how far the prompt's answer is ahead of the counterpart's."""
        return z[..., self.tokens[0]] - z[..., self.tokens[1]]


class Paths(Steering):
    """Row 0 is the prompt, row 1 its counterpart. Each sender has a row of the prompt in which it is what it is in the
    counterpart, and all other heads stay as in row 0: MLPs alone carry its change on. With receivers it has another
    row, free but for the receivers, whose outputs are those that the change makes."""

    name = "heads"

    def __init__(self, senders: Sequence[Head], receivers: Sequence[Head], at: Sequence[int]):
        self.senders, self.receivers, self.at = senders, receivers, list(at)

    def heads(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        x, n = x.clone(), len(self.senders)
        held, free = slice(2, 2 + n), slice(2 + n, 2 + 2 * n)
        for _, h in (r for r in self.receivers if r[0] == l):
            x[free, :, h] = x[held, :, h]
        x[held] = x[:1]
        for row, (_, h) in ((i, s) for i, s in enumerate(self.senders, 2) if s[0] == l):
            x[row, self.at, h] = x[1, self.at, h]
        return x


class Repair(Steering):
    """In rows but the first, chosen heads of the last position look at some columns alone, at all alike."""

    name = "heads"

    def __init__(self, heads: Sequence[Head], at: Sequence[int]):
        self.chosen, self.at = heads, list(at)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        own = [h for layer, h in self.chosen if layer == l]
        if not own:
            return None
        w, row = w.clone(), torch.zeros_like(w[0, 0, -1])
        row[self.at] = 1 / len(self.at)
        w[1:, own, -1] = row
        return w


def named(heads: Sequence[str], view: View) -> list[Head]:
    """From `layer.head` each. Raises UsageError where that is none of the model's."""
    found = []
    for name in heads:
        match = re.fullmatch(r"(\d+)\.(\d+)", name) if isinstance(name, str) else None  # 29.1 may have been 29.10
        if not match or int(match[1]) >= view.depth or int(match[2]) >= view.n_heads:
            last = f"{view.depth - 1}.{view.n_heads - 1}"
            raise UsageError(f"{name} is not a head of this model: quote layer.head, from '0.0' to '{last}'")
        found.append((int(match[1]), int(match[2])))
    return found


def answers(view: View, sample: Inputs) -> tuple[int, int] | None:
    """First tokens of the task's answers to a sample and to its counterpart; None where it has none."""
    return (view.tokens(sample.pair.answer)[0], view.tokens(sample.pair.other)[0]) if sample.pair else None


def paired(view: View, methods: Sequence[Steering], sample: Inputs, noise: float) -> Paired | None:
    """A sample beside the task's counterpart, or beside its picture under noise, where the tokens that both passes put
    first are compared (where they are the same, with the first pass's second). None without either, and where the
    counterpart is not as long."""
    clean = replace(sample, shared=None)
    if (tokens := answers(view, sample)) and sample.pair and view.encode:
        other = view.rewritten(view.encode(sample.pair.request))
        return Paired(clean, other, tokens) if other.length == clean.length else None
    if not sample.sees:
        return None
    other = noised(clean, noise)
    z = traced(view, methods, clean, other, [None])
    (first, second), instead = z[0].topk(2).indices.tolist(), int(z[1].argmax())
    return Paired(clean, other, (first, second if instead == first else instead))


def patched(
    view: View, methods: Sequence[Steering], two: Paired, at: str, receivers: Sequence[Head]
) -> dict[str, Reading]:
    """What each head changes, alone, of the difference of the two logits: `patched`, put into the counterpart's pass,
    and `paths`, from it to the logits directly; with receivers, `to_receivers`, from it to these heads, instead."""
    places = [-1] if at == "last" else range(-two.clean.length, 0)
    heads = list(product(range(view.depth), range(view.n_heads)))
    alone = [] if receivers else [Patch("head", l, places, h) for l, h in heads]
    z = two.difference(traced(view, methods, two.clean, two.other, [None, *alone]))
    along = z[0] - two.difference(paths(view, methods, two, heads, receivers, places))
    of = {"to_receivers": along} if receivers else {"patched": z[2:] - z[1], "paths": along}
    shape = view.depth, view.n_heads
    found = {"clean": Reading(z[0]), "counterpart": Reading(z[1])}
    return found | {name: Reading(x.reshape(shape).numpy(), ("layer", "head")) for name, x in of.items()}


def paths(
    view: View,
    methods: Sequence[Steering],
    two: Paired,
    senders: Sequence[Head],
    receivers: Sequence[Head],
    at: Sequence[int],
) -> Tensor:
    """Next-token logits [senders, V] of the prompt, with each sender's path to the receivers (none: to the logits) as
    in the counterpart."""
    each = 2 if receivers else 1
    step, found = max(1, (TOKENS // two.clean.length - 2) // each), []
    cut = at[0] + two.clean.length  # before it, all rows of the prompt are the same
    with undisturbed(view):
        for start in range(0, len(senders), step):
            some = senders[start : start + step]
            rows = [two.clean, two.other, *[two.clean] * (each * len(some))]
            found.append(played(view, [*methods, Paths(some, receivers, at)], rows, cut)[-len(some) :])
    return torch.cat(found)


def repaired(view: View, methods: Sequence[Steering], two: Paired, heads: Sequence[Head]) -> dict[str, Reading]:
    """The oracle's repair: what becomes of the answer when heads look at wrong words, which the key names; nothing
    where it names none."""
    if not heads or not (at := _places(view, two.clean)):
        return {}
    with undisturbed(view):
        z = played(view, [*methods, Repair(heads, at)], [two.clean] * 2, 0)
    before, after = two.difference(z).tolist()
    right = (z.argmax(-1) == two.tokens[0]).float().tolist()
    return {
        "oracle_repair": Reading(after - before),
        "oracle_right": Reading(right[1], within=RATE),
        "right": Reading(right[0], within=RATE),
    }


def _places(view: View, sample: Inputs) -> list[int]:
    """Tokens of the prompt's wrong words, counted from the end."""
    pieces = view.pieces(sample.tensors["input_ids"][0].tolist())
    ends = np.cumsum([len(p) for p in pieces])
    words = sample.pair.wrong if sample.pair else ()
    spans = [m.span() for w in words for m in re.finditer(rf"\b{re.escape(w)}\b", "".join(pieces))]
    found = {n for n, end in enumerate(ends) for a, b in spans if a < end and end - len(pieces[n]) < b}
    return sorted(n - len(pieces) for n in found)

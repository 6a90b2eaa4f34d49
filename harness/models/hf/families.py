"""Prompts of text in an order in which neighbours begin alike, and those of them that gain by batches of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.model import Call

STEP = 1.25
"""Prompts whose lengths differ by less may stand in any order: padding costs less than a shared beginning gains."""
SHARE = 0.5
"""Part of the shorter of two neighbours that both must have in common to belong to one family."""
WORTH = 2000
"""Tokens that a family must save: its batches may be smaller, and a further step of decoding costs as much as some 35
tokens of a prompt."""


@dataclass(frozen=True)
class Text:
    """A call and the tokens of its prompt."""

    call: Call
    tokens: tuple[int, ...]

    @property
    def length(self) -> int:
        return len(self.tokens)


def families(texts: Sequence[Text]) -> list[list[Text]]:
    """Groups that share no batch. The last one holds all that begin like no others, by the length of their answers and
    prompts; in the others neighbours begin alike, as in a walk through the tree of their tokens."""
    walk = sorted(texts, key=lambda t: (t.call.request.max_new_tokens, _step(t), t.tokens))
    runs: list[list[Text]] = []
    saved: list[int] = []
    for text in walk:
        before = runs[-1][-1] if runs else None
        if (
            before
            and _alike(before, text)
            and (common := _common(before, text)) >= SHARE * min(before.length, text.length)
        ):
            runs[-1].append(text)
            saved[-1] += common
        else:
            runs.append([text])
            saved.append(0)
    found = [run for run, tokens in zip(runs, saved, strict=True) if tokens >= WORTH]
    rest = [t for run, tokens in zip(runs, saved, strict=True) if tokens < WORTH for t in run]
    rest.sort(key=lambda t: (t.call.request.max_new_tokens, t.length))
    return [*found, rest] if rest else found


def _alike(one: Text, other: Text) -> bool:
    return one.call.request.max_new_tokens == other.call.request.max_new_tokens and _step(one) == _step(other)


def _step(text: Text) -> int:
    return int(math.log(max(1, text.length), STEP))


def _common(one: Text, other: Text) -> int:
    """Tokens with which both begin, by halving: comparing slices is faster than tokens one by one."""
    low, high = 0, min(one.length, other.length)
    while low < high:
        middle = (low + high + 1) // 2
        if one.tokens[low:middle] == other.tokens[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low

"""Calls that ask for likelihoods, answered by the steering layer."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.core.model import Call
from harness.core.types import Likelihood, Reply
from harness.models.hf.prompts import Prompts
from harness.steering import Inputs, Steering, View
from harness.steering.likelihood import Ask, likelihoods


def replies(
    prompts: Prompts, view: View, methods: Sequence[Steering], calls: Sequence[Call], tokens: int
) -> list[Reply]:
    """One reply per call, in order. Continuations of one context are asked together; a text that was cut into pieces
    gets their sum. `tokens`: of a batch. Raises Unusable where a continuation has no token."""
    began = time.perf_counter()
    asks: list[tuple[Inputs, list[list[int]], str]] = []
    places: list[list[list[tuple[int, int]]]] = []
    for call in calls:
        key = "+".join(p.digest for p in call.request.pictures)
        number: dict[int, int] = {}
        places.append([])
        for pieces in prompts.continued(call.request):
            places[-1].append([])
            for context, continuation in pieces:
                if id(context) not in number:
                    number[id(context)] = len(asks)
                    asks.append((context, [], key))
                asked = asks[number[id(context)]][1]
                places[-1][-1].append((number[id(context)], len(asked)))
                asked.append(continuation)
    found = likelihoods(view, [Ask(*a) for a in asks], methods, tokens)
    each = (time.perf_counter() - began) / len(calls)
    out = []
    for texts in places:
        summed = []
        for pieces in texts:
            own = [found[a][n] for a, n in pieces]
            read = sum(len(asks[a][1][n]) for a, n in pieces)
            summed.append(Likelihood(sum(p.logprob for p in own), all(p.greedy for p in own), read))
        used = {a for pieces in texts for a, _ in pieces}
        read = sum(len(tokens) for a in used for tokens in asks[a][1])
        out.append(Reply(Reply.said(summed), max(asks[a][0].length for a in used), read, each))
    return out

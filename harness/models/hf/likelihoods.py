"""Calls that ask for likelihoods, answered by the steering layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from harness.core.model import Call
from harness.core.types import Likelihood, Reply
from harness.models.hf.prompts import Prompts
from harness.steering import Inputs, Steering, View
from harness.steering.likelihood import Ask, forced, likelihoods


def replies(
    prompts: Prompts,
    view: View,
    methods: Sequence[Steering],
    calls: Sequence[Call],
    tokens: int,
    tell: Callable[[Call, Inputs], None],
) -> list[Reply]:
    """One reply per call, in order. Continuations of one context are asked together; a text that was cut into pieces
    gets their sum. What probes read is of the likeliest continuation, in its last piece. `tokens`: of a batch. `tell`:
    gives probes what they read of the task. Raises Unusable where a continuation has no token."""
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
                tell(call, context)
                if id(context) not in number:
                    number[id(context)] = len(asks)
                    asks.append((context, [], key))
                asked = asks[number[id(context)]][1]
                places[-1][-1].append((number[id(context)], len(asked)))
                asked.append(continuation)
    own = [Ask(*a) for a in asks]
    made = forced(view, own, methods, tokens) if methods else []
    found = [[g.likelihood for g in some if g.likelihood] for some in made] or likelihoods(view, own, (), tokens)
    each = (time.perf_counter() - began) / len(calls)
    out = []
    for texts in places:
        summed = []
        for pieces in texts:
            parts = [found[a][n] for a, n in pieces]
            read = sum(len(asks[a][1][n]) for a, n in pieces)
            summed.append(Likelihood(sum(p.logprob for p in parts), all(p.greedy for p in parts), read))
        used = {a for pieces in texts for a, _ in pieces}
        read = sum(len(tokens) for a in used for tokens in asks[a][1])
        best, n = texts[max(range(len(texts)), key=lambda i: summed[i].logprob)][-1]
        readings = made[best][n].readings if made else {}
        longest = max(asks[a][0].length for a in used)
        out.append(Reply(Reply.said(summed), longest, read, each, readings=readings))
    return out

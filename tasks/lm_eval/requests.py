"""lm-eval's instances of one document as our requests, and our replies as the responses that its filters read."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from harness.core import Message, Missing, Reply, Request, user

CHAT = "\x00chat\x00"
"""Marks a context that is a conversation in JSON, to be put into the model's own chat template."""
MAX_TOKENS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
DEFAULT_TOKENS = 256
"""lm-eval's `max_gen_toks`."""


def chat(history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
    """Stands for `LM.apply_chat_template`: the model is not known yet, its template is filled in when it answers."""
    return CHAT + json.dumps(list(history))


def messages(context: str) -> tuple[tuple[Message, ...], bool]:
    """(messages, whether the text is to be given as it is)."""
    if not context.startswith(CHAT):
        return user(context), True
    turns = json.loads(context.removeprefix(CHAT))
    return tuple(Message(t["role"], (t["content"],)) for t in turns), False


def ask(instances: Sequence[Any]) -> Generator[Request, Reply, None]:
    """Fill the instances' `resps`. Continuations of one context are one request."""
    contexts: dict[str, list[Any]] = {}
    for instance in instances:
        if any(isinstance(a, dict) and ("visual" in a or "audio" in a) for a in instance.args):
            raise Missing(
                "lm-eval's tasks with pictures or sound are not bridged: choose one of lmms-eval, task=lmms_eval"
            )
        if instance.request_type == "loglikelihood":
            contexts.setdefault(instance.args[0], []).append(instance)
    for context, some in contexts.items():
        turns, plain = messages(context)
        reply = yield Request(turns, 1, plain=plain, continuations=tuple(i.args[1] for i in some))
        for instance, one in zip(some, reply.likelihoods, strict=True):
            instance.resps = [(one.logprob, one.greedy)] * (instance.repeats or 1)
    for instance in instances:
        if instance.request_type == "loglikelihood_rolling":
            reply = yield Request(user(""), 1, plain=True, continuations=(instance.args[0],))
            instance.resps = [reply.likelihoods[0].logprob]
        elif instance.request_type == "generate_until":
            instance.resps = []
            for draw in range(instance.repeats or 1):
                reply = yield generation(instance.args[0], instance.args[1], draw)
                instance.resps.append(reply.text)


def generation(context: str, settings: Mapping[str, Any], draw: int = 0) -> Request:
    turns, plain = messages(context)
    until = settings.get("until") or []
    stop = (until,) if isinstance(until, str) else tuple(until)
    tokens = next((settings[k] for k in MAX_TOKENS if settings.get(k) is not None), DEFAULT_TOKENS)
    return Request(turns, int(tokens), tuple(s for s in stop if s), draw, plain=plain)

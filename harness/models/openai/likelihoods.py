"""Likelihoods of given texts: the server reads them (`echo`) and says the log-probability of each token.

Servers disagree on what they say, so that it is tried before it is used: the log-probability of a token that a server
wrote must be the one that it states when it reads that token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.errors import Unusable, UsageError
from harness.core.types import Likelihood, Reply, Request
from harness.models.openai.messages import text
from harness.models.openai.replies import Fault, count, first, used

Post = Callable[[Mapping[str, Any], Callable[[Any], Any]], Any]
"""Posts these fields to /completions; what the function makes of the answer."""
TRIED = (
    *("The cat sat on the", "One, two, three,", "Paris is the capital of", "def add(a, b):", "Once upon a time"),
    *("Question: Is the sky blue?\nAnswer:", "Dear Sir or Madam,\n", "A B C D E F G"),
)
"""Texts that the server continues by a token and is then to read."""
NEAR = 0.1
"""Two log-probabilities of one token differ by less: servers round, and batch as it comes."""
ENOUGH = 2
"""Tokens that must be compared."""
TAKE = "take a Hugging Face model, or a task that generates"


@dataclass(frozen=True)
class Heard:
    """What a server says of a text that it read, token by token: the written one, if any, is the last."""

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    best: tuple[bool, ...]
    """Whether greedy decoding gives the token."""
    read: int
    """Tokens of the prompt as the server counts them: with one that begins every text, which `tokens` may lack."""
    written: int

    def end(self, tokens: int) -> slice:
        """The last tokens of the prompt."""
        stop = len(self.tokens) - self.written
        return slice(stop - tokens, stop)


def heard(value: Any) -> Heard:
    """From the answer's JSON. Raises Fault where it holds no log-probabilities."""
    told, usage = first(value).get("logprobs"), used(value)
    if not isinstance(told, dict) or not isinstance(told.get("token_logprobs"), list):
        raise Fault("the answer holds no logprobs")
    tokens, logprobs, top = (told.get(name) or [] for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not len(tokens) == len(logprobs) == len(top) or not all(isinstance(t, dict | None) for t in top):
        raise Fault("the answer's logprobs are incomplete: tokens, token_logprobs and top_logprobs differ in length")
    best = (p is not None and p >= max((t or {}).values(), default=p) for p, t in zip(logprobs, top, strict=True))
    return Heard(
        tuple(map(str, tokens)),
        tuple(logprobs),
        tuple(best),
        count(usage.get("prompt_tokens")),
        count(usage.get("completion_tokens")),
    )


def unreliable(post: Post) -> str:
    """Why the server's likelihoods cannot be relied upon; "" where they can. Raises Fault where it does not answer."""
    compared = 0
    for words in TRIED:
        try:
            wrote = post({"prompt": words, "max_tokens": 1, "logprobs": 1}, heard)
            if len(wrote.tokens) != 1 or wrote.logprobs[0] is None or not wrote.tokens[0].isprintable():
                continue
            again = post(_reading(words + wrote.tokens[0]), heard)
        except Fault as fault:
            return fault.said
        (last,) = again.tokens[again.end(1)] or ("",)
        if last != wrote.tokens[0]:
            continue
        (logprob,) = again.logprobs[again.end(1)]
        if logprob is None or abs(logprob - wrote.logprobs[0]) > NEAR:
            return (
                f"it gives {wrote.tokens[0]!r} behind {words!r} the log-probability {wrote.logprobs[0]:.2f} when it "
                f"writes it, and {'none' if logprob is None else f'{logprob:.2f}'} when it reads it"
            )
        compared += 1
        if compared == ENOUGH:
            return ""
    return "no token that it writes is one that it reads"


def likelihoods(request: Request, post: Post) -> Reply:
    """The reply to a request for likelihoods. Where a context ends among the tokens is lm-eval's rule, as in process:
    spaces that end it belong to the continuation, and what is after as many tokens as it has alone.

    Raises UsageError where the request goes through a chat template, or the server predicts no first token.
    """
    if not request.plain:
        raise UsageError(f"a server returns no likelihoods of texts after a chat template: {TAKE}")
    context = text(request)
    start = context.rstrip()
    before = post({"prompt": start, "max_tokens": 1}, _length) if start else 0
    found, new = [], 0
    for continuation in request.continuations:
        whole = post(_reading(context + continuation), heard)
        tokens = whole.end(whole.read - before if start else _own(whole, context + continuation))
        logprobs = whole.logprobs[tokens]
        if not logprobs:
            raise Unusable(f"the continuation {continuation!r} has no token of its own after its context")
        if None in logprobs:
            raise UsageError(f"this server predicts no first token of a text, which this task asks for: {TAKE}")
        found.append(Likelihood(float(sum(logprobs)), all(whole.best[tokens]), len(logprobs)))
        new += len(logprobs)
    return Reply(Reply.said(found), before, new)


def _own(whole: Heard, words: str) -> int:
    """Tokens of a text without a context: all but one that begins every text."""
    tokens = whole.tokens[whole.end(len(whole.tokens) - whole.written)]
    return len(tokens) - (len(tokens) > 1 and "".join(tokens[1:]) == words)


def _reading(words: str) -> dict[str, Any]:
    return {"prompt": words, "max_tokens": 1, "logprobs": 1, "echo": True}


def _length(value: Any) -> int:
    """Tokens of a prompt. Raises Fault where the server does not count them."""
    if not (found := count(used(value).get("prompt_tokens"))):
        raise Fault("the answer does not say how many tokens the prompt has")
    return found

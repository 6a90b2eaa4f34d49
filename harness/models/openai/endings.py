"""Whether a server counts the token that ends an answer. In process it is not counted; vLLM and transformers count it,
llama.cpp does not, and none says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.core.model import Call
from harness.core.types import Reply, Request, user

LONGEST = 64
"""Tokens of an answer that is asked a second time to find out."""
ASIDE, SHORT = "Say yes.", 16
"""What is asked to find out where the questions show pictures, and for how many tokens."""


class Endings:
    """Finds out from the first answers that end by themselves: one that lacks nothing when it is asked again with a
    token less had its end counted."""

    def __init__(self) -> None:
        self.counts: bool | None = None
        """None until it is known."""

    def counted(
        self,
        replies: Sequence[Reply | Exception],
        calls: Sequence[Call],
        shorter: Callable[[Call, int], Reply | None],
    ) -> list[Reply | Exception]:
        """The replies with their tokens counted as in process.

        Args:
            shorter: Asks a call again, for at most so many tokens.
        """
        if self.counts is None:
            self._find_out(replies, calls, shorter)
        if not self.counts:
            return list(replies)
        pairs = zip(replies, calls, strict=True)
        return [replace(r, new_tokens=r.new_tokens - 1) if _ended(r, call) else r for r, call in pairs]  # type: ignore[type-var]

    def _find_out(
        self,
        replies: Sequence[Reply | Exception],
        calls: Sequence[Call],
        shorter: Callable[[Call, int], Reply | None],
    ) -> None:
        pairs = [(r, c) for r, c in zip(replies, calls, strict=True) if isinstance(r, Reply) and _ended(r, c)]
        if not pairs:
            return
        shortest, call = min(pairs, key=lambda pair: pair[0].new_tokens)
        if call.request.pictures and shortest.new_tokens > 1:
            call = replace(call, request=_aside(call.request))
            said = shorter(call, SHORT)
            if said is None or not _ended(said, call):
                self.counts = False  # unknown, as it was before
                return
            shortest = replace(said, text=said.text.strip(" "))
        if shortest.new_tokens == 1:
            self.counts = not shortest.text
        elif shortest.new_tokens <= LONGEST and (again := shorter(call, shortest.new_tokens - 1)):
            self.counts = again.text.strip(" ") == shortest.text


def _aside(request: Request) -> Request:
    """ASIDE instead of the question and its pictures, after the same system message and examples."""
    last = max(i for i, m in enumerate(request.messages) if m.role == "user")
    return replace(request, messages=(*request.messages[:last], *user(ASIDE)), max_new_tokens=SHORT)


def _ended(reply: Reply | Exception, call: Call) -> bool:
    """Whether it ended by a token of its own; unknown, and so False, where it may have met a stop string."""
    request = call.request
    if not isinstance(reply, Reply) or request.continuations or request.stop:
        return False
    return reply.finish == "stop" and reply.new_tokens > 0

"""Zero-shot chain of thought: think step by step, then answer (arXiv 2205.11916)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.types import Message, Reply, Request, Step
from harness.methods._shared.crops import asked

CUE = "Let's think step by step."
ANSWER = "Therefore, the answer is"


class ChainOfThought(Pipeline):
    """Two calls: the model's reasoning, and its answer after it."""

    name = "cot"

    def __init__(self, tokens: int, repeat: bool):
        """`tokens`: of the reasoning, at most; 0 for none. `repeat`: the question is asked again with the cue for the
        answer, so that the form it asks for is near."""
        if tokens < 0:
            raise UsageError(f"method.{self.name}.tokens={tokens} must be 0 or more")
        self.tokens, self.repeat = tokens, repeat

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if not self.tokens:
            return (yield request)
        first = replace(request.changed(text=lambda q: f"{q}\n{CUE}"), max_new_tokens=self.tokens, stop=())
        thought = yield first
        cue = f"{asked(request)}\n{ANSWER}" if self.repeat else ANSWER
        turns = (Message("assistant", (thought.text,)), Message("user", (cue,)))
        reply = yield replace(request, messages=(*first.messages, *turns))
        return replace(reply, steps=(Step(f"thinks: {thought.text}"),))

"""What a run puts before every question: a system message, and answered examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.core.errors import UsageError
from harness.core.picture import Picture
from harness.core.types import Message, Request


@dataclass(frozen=True)
class Example:
    """A question of a split that is not evaluated, with its right answer. `id` is the sample's."""

    id: str
    question: Message
    answer: str

    @property
    def messages(self) -> tuple[Message, Message]:
        """The question and its answer, as turns of a chat."""
        return self.question, Message("assistant", (self.answer,))

    @property
    def pictures(self) -> list[Picture]:
        """Those of the question, in order."""
        return [part for part in self.question.content if isinstance(part, Picture)]


@dataclass(frozen=True)
class Dress:
    """`system` is "" for none; `examples` precede the question in this order."""

    system: str = ""
    examples: Sequence[Example] = ()

    def __bool__(self) -> bool:
        return bool(self.system or self.examples)

    def __call__(self, request: Request) -> Request:
        """The request as the model gets it. Raises UsageError where it cannot carry what is put in front, or is one of
        the examples itself."""
        if not self:
            return request
        if request.plain:
            raise UsageError("this task gives its texts without a chat template: leave system= and fewshot= out")
        if self.system and any(m.role == "system" for m in request.messages):
            raise UsageError("this task or method sends a system message of its own: leave system= out")
        asked = [m.content for m in request.messages]
        shown = {p.digest for p in request.pictures}
        for example in self.examples:
            if example.question.content in asked or shown.intersection(p.digest for p in example.pictures):
                raise UsageError(
                    f"fewshot=: the example {example.id} is evaluated itself: evaluate other records, or leave it out"
                )
        system = [Message("system", (self.system,))] if self.system else []
        front = [m for example in self.examples for m in example.messages]
        return replace(request, messages=(*system, *front, *request.messages))


NOTHING = Dress()

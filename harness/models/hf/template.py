"""A checkpoint's chat template, wherever it is stored, tried once before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import Unusable, UsageError, first_line
from harness.core.picture import Picture
from harness.core.types import Message, user

WORDS = "What is in the image?"
PLAIN = "add model.chat=plain to give it the text as it is"


@dataclass(frozen=True)
class Template:
    """Attributes:
    processor: Or the tokenizer of a model that reads text only.
    source: The Jinja text.
    parts: Whether a message's content is a list of texts and pictures; else one text, pictures by their placeholder.
    """

    processor: Any
    source: str
    parts: bool

    @classmethod
    def of(cls, processor: Any, sees: bool) -> Template:
        """The processor's, or else its tokenizer's. Raises UsageError where there is none, or none that can be used."""
        source = _source(processor)
        picture = Picture(b"") if sees else None
        messages = user(picture, WORDS) if picture else user(WORDS)
        said = ""
        for parts in (True, False) if sees else (False,):
            template = cls(processor, source, parts)
            try:
                text = template.text(messages)
            except Unusable as e:
                said = said or str(e)
                continue
            if WORDS in text and "'type'" not in text:  # else the list itself was printed
                return template
        raise UsageError(f"{said or 'the chat template leaves a question out'}: {PLAIN}")

    def text(self, messages: Sequence[Message]) -> str:
        """The prompt, each picture as its placeholder. An answer that is begun is continued. Raises Unusable, which
        costs one sample, where the template refuses the messages."""
        begun = bool(messages) and messages[-1].role == "assistant"
        try:
            return self.processor.apply_chat_template(
                [{"role": m.role, "content": self._content(m)} for m in messages],
                chat_template=self.source,
                add_generation_prompt=not begun,
                continue_final_message=begun,
                tokenize=False,
            )
        except Exception as e:  # Jinja's errors, and whatever the template's expressions meet
            raise Unusable(f"the chat template refuses these messages: {first_line(e)}") from e

    def _content(self, message: Message) -> Any:
        if self.parts:
            return [
                {"type": "image"} if isinstance(p, Picture) else {"type": "text", "text": p} for p in message.content
            ]
        token = getattr(self.processor, "image_token", "")
        return "".join(token if isinstance(p, Picture) else p for p in message.content)


def _source(processor: Any) -> str:
    """Raises UsageError where there is no template, or several and none is called default."""
    found = getattr(processor, "chat_template", None)
    found = found or getattr(getattr(processor, "tokenizer", None), "chat_template", None)
    if not found:
        raise UsageError(f"this model has no chat template: {PLAIN}")
    if isinstance(found, str):
        return found
    if len(found) == 1 or "default" in found:
        return found.get("default") or next(iter(found.values()))
    raise UsageError(
        f"this model's chat templates are called {', '.join(sorted(found))}: save one of them as chat_template.jinja, "
        "or add model.chat=plain"
    )

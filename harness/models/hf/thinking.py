"""The thinking of a Hugging Face model: its tags survive decoding, and what the chat template opened is marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core.reasoning import TAG, answered, opened
from harness.core.types import Request, user
from harness.models.hf.prompts import Prompts

PARTS = {
    *("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>"),
    *("<|open|>", "<|close|>", "<|sep|>"),
}
"""Special tokens that make up a tag (gpt-oss, Kimi K3) where a model has both of the first ones of a row."""


class Thinking:
    """What a checkpoint's tokenizer and chat template say about it."""

    def __init__(self, prompts: Prompts):
        self.tokenizer: Any = prompts.tokenizer
        special = dict(zip(self.tokenizer.all_special_ids, self.tokenizer.all_special_tokens, strict=True))
        parts = PARTS if {"<|channel|>", "<|message|>"} <= set(special.values()) else set()
        parts = parts | (PARTS if {"<|open|>", "<|close|>"} <= set(special.values()) else set())
        self._marks = {i: token for i, token in special.items() if token in parts or TAG.fullmatch(token)}
        """Special tokens that `skip_special_tokens` would lose together with the border of the thinking."""
        self._opens = "" if prompts.chat == "plain" else _opens(prompts)

    def text(self, tokens: Sequence[int], request: Request) -> str:
        """An answer's text: without special tokens, with the tags of its thinking."""
        text, start = [], 0
        for i, token in enumerate(tokens if self._marks else ()):
            if int(token) in self._marks:
                text += [self._decode(tokens[start:i]), self._marks[int(token)]]
                start = i + 1
        text = "".join([*text, self._decode(tokens[start:])])
        begun = request.plain or request.messages[-1].role == "assistant"
        return text if begun or not self._opens or text.startswith(self._opens) else self._opens + text

    def count(self, text: str, tokens: int) -> int:
        """How many of an answer's tokens are thinking."""
        left = answered(text)
        if left == text:
            return 0
        return max(0, tokens - len(self.tokenizer(left, add_special_tokens=False)["input_ids"]))

    def _decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True) if len(tokens) else ""


def _opens(prompts: Prompts) -> str:
    """The tag with which the template lets an answer begin."""
    try:
        return opened(prompts.text(Request(user("x"), 1)))
    except Exception:  # a template may refuse this chat: then each sample says so
        return ""

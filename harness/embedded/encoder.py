"""Token ids of the turns that small models learn."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast


class Encoder:
    """A tokenizer that remembers: most turns recur."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Token ids without special tokens."""
        ids = self.known.get(text)
        if ids is None:
            ids = self.tokenizer.encode(text, add_special_tokens=False)
            if len(self.known) < 100_000:
                self.known[text] = ids
        return ids

"""Requests as the tensors a Hugging Face model reads; a picture is preprocessed once, however often it is asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.core.errors import UsageError
from harness.core.types import Picture, Request
from harness.steering import Inputs

SEQUENCES = ("attention_mask", "token_type_ids", "mm_token_type_ids")
KEPT_PICTURES = 512


@dataclass
class _Seen:
    """What the processor made of one picture: its pixel tensors, and the tokens its placeholder becomes."""

    pixels: dict[str, torch.Tensor]
    tokens: list[int]
    masks: tuple[str, ...]
    """Sequence-shaped inputs that mark the image tokens with 1."""


class Prompts:
    """Encodes requests with a checkpoint's processor (or tokenizer) and its chat template.

    For one-picture prompts the second question about a picture only tokenises its text and splices the picture's
    tokens in; where the processor's output cannot be rebuilt like that (InstructBLIP), the processor runs each time.
    """

    def __init__(self, processor: Any, config: Any, *, chat: str):
        self.processor, self.chat = processor, chat
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self.sees = processor is not self.tokenizer
        self.image_id: int | None = getattr(config, "image_token_id", None)
        self.mark_questions = False
        """Whether inputs shall say where the question is: costs a second tokenisation."""
        self._seen: OrderedDict[str, _Seen | None] = OrderedDict()
        template = getattr(processor, "chat_template", None) or getattr(self.tokenizer, "chat_template", None)
        if chat == "auto" and not template:
            raise UsageError("this model has no chat template: add model.chat=plain to give it the text as it is")

    def encode(self, request: Request) -> Inputs:
        inputs = self._encode(request)
        inputs.request = request
        if self.mark_questions:
            inputs.question = self._question(request, inputs.tensors["input_ids"][0].tolist())
        return inputs

    def _question(self, request: Request, ids: list[int]) -> tuple[int, int] | None:
        """The tokens of the last user message's text: those that are not the template's around an empty one."""
        words = next((p for m in reversed(request.messages) for p in m.content if isinstance(p, str)), "")
        text = self._text(request)
        start = text.rfind(words.strip())
        if not words.strip() or start < 0:
            return None
        encoded = self.tokenizer(text, return_offsets_mapping=True, **self._special(text))
        end = start + len(words.strip())
        inside = [i for i, (a, b) in enumerate(encoded["offset_mapping"]) if b > start and a < end and b > a]
        if not inside:
            return None
        # Pictures stand before the question: whatever they grew to, the distance to the end is the same.
        grown = len(ids) - len(encoded["input_ids"])
        return inside[0] + grown, inside[-1] + 1 + grown

    def _encode(self, request: Request) -> Inputs:
        pictures = request.pictures
        if pictures and not self.sees:
            raise UsageError("this model reads text only, but the task shows pictures: choose a vision-language model")
        text = self._text(request)
        if not pictures:
            ids = self._ids(text)
            return Inputs(
                {
                    "input_ids": torch.tensor([ids]),
                    "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
                }
            )
        if len(pictures) == 1:
            seen = self._seen.get(pictures[0].digest)
            if seen is not None:
                self._seen.move_to_end(pictures[0].digest)
                return self._spliced(self._ids(text), seen)
        tensors = dict(
            self.processor(images=[p.load() for p in pictures], text=[text], return_tensors="pt", **self._special(text))
        )
        if len(pictures) == 1 and pictures[0].digest not in self._seen:
            self._seen[pictures[0].digest] = self._learn(self._ids(text), tensors)
            while len(self._seen) > KEPT_PICTURES:
                self._seen.popitem(last=False)
        return Inputs(tensors)

    def _text(self, request: Request) -> str:
        if self.chat == "plain":
            token = getattr(self.processor, "image_token", "")
            return "".join(token if isinstance(p, Picture) else p for m in request.messages for p in m.content)
        messages = []
        for m in request.messages:
            if self.sees:
                content: Any = [
                    {"type": "image"} if isinstance(p, Picture) else {"type": "text", "text": p} for p in m.content
                ]
            else:
                content = "".join(p for p in m.content if isinstance(p, str))
            messages.append({"role": m.role, "content": content})
        return self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def _special(self, text: str) -> dict[str, bool]:
        """A template that writes the BOS token itself must not get a second one."""
        bos = self.tokenizer.bos_token
        return {"add_special_tokens": False} if bos and text.startswith(bos) else {}

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, **self._special(text))["input_ids"]

    def _learn(self, short: Sequence[int], tensors: dict[str, torch.Tensor]) -> _Seen | None:
        """Where one placeholder in `short` stands for the picture's tokens in the processor's `input_ids`."""
        ids = tensors["input_ids"][0].tolist()
        at = [i for i, t in enumerate(short) if t == self.image_id]
        if len(at) != 1 or "qformer_input_ids" in tensors:
            return None
        before, after = short[: at[0]], short[at[0] + 1 :]
        end = len(ids) - len(after)
        if ids[: len(before)] != before or ids[end:] != after or end < len(before):
            return None
        marked = tensors["input_ids"] == self.image_id
        masks = []
        for name in SEQUENCES[1:]:
            if name in tensors:
                if torch.equal(tensors[name].bool(), marked) and int(tensors[name].max()) == 1:
                    masks.append(name)
                elif tensors[name].any():
                    return None
        pixels = {k: v for k, v in tensors.items() if k not in (*SEQUENCES, "input_ids")}
        return _Seen(pixels, ids[len(before) : end], tuple(masks))

    def _spliced(self, short: list[int], seen: _Seen) -> Inputs:
        assert self.image_id is not None
        at = short.index(self.image_id)
        ids = torch.tensor([[*short[:at], *seen.tokens, *short[at + 1 :]]])
        tensors = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **seen.pixels}
        for name in seen.masks:
            tensors[name] = (ids == self.image_id).to(ids.dtype)
        return Inputs(tensors)

"""Requests as the tensors a Hugging Face model reads; a picture is preprocessed once, however often it is asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.core.errors import Unusable, UsageError, first_line
from harness.core.picture import Picture
from harness.core.types import Request
from harness.models.hf.ahead import Ahead
from harness.models.hf.template import Template
from harness.steering import Inputs
from harness.steering.inputs import SEQUENCES, TYPE_IDS, Span

KEPT_BYTES = 64 * 2**20
"""Default budget of preprocessed pictures; the least recently used leave first."""


@dataclass
class _Seen:
    """What the processor made of one picture: its pixel tensors, and the tokens its placeholder becomes."""

    pixels: dict[str, torch.Tensor]
    tokens: list[int]
    masks: tuple[str, ...]
    """Sequence-shaped inputs that mark the image tokens with 1."""

    @property
    def size(self) -> int:
        """Bytes of its tokens and pixels."""
        return sum(v.nbytes for v in self.pixels.values()) + 8 * len(self.tokens)


Piece = tuple[Inputs, list[int]]
"""A context, and the tokens that are to be predicted after it."""


def _plain(ids: Sequence[int], of: Inputs | None = None) -> Inputs:
    """Text-only inputs of these tokens."""
    tensor = torch.tensor([list(ids)])
    return Inputs({"input_ids": tensor, "attention_mask": torch.ones_like(tensor)}, request=of.request if of else None)


class Prompts:
    """Encodes requests with a checkpoint's processor (or tokenizer) and its chat template.

    For one-picture prompts the second question about a picture only tokenises its text and splices the picture's
    tokens in; where the processor's output cannot be rebuilt like that (InstructBLIP), the processor runs each time.
    """

    def __init__(self, processor: Any, config: Any, *, chat: str, keep: int = KEPT_BYTES, threads: int | None = 0):
        self.processor, self.chat, self.keep = processor, chat, keep
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self.sees = processor is not self.tokenizer
        self.image_id: int | None = getattr(config, "image_token_id", None)
        inner = getattr(config, "text_config", None) or config
        self.longest: int = getattr(inner, "max_position_embeddings", None) or getattr(inner, "n_positions", None) or 0
        """Tokens that the model can read; 0 where its configuration does not say."""
        self.rotary = any(getattr(inner, name, None) for name in ("rope_parameters", "rope_theta", "rope_scaling"))
        """Whether positions are computed: then a model reads on beyond its last one, if not well."""
        self.cut = 0
        """Tokens of the longest prompt that was cut on the left; 0 where none was."""
        self.mark_questions = False
        """Whether inputs shall say where the question is: costs a second tokenisation."""
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._kept = 0
        self._template = Template.of(processor, self.sees) if chat == "auto" else None
        self.ahead = Ahead(self._processed, threads)

    def encode(self, request: Request) -> Inputs:
        inputs = self._encode(request)
        if request.plain and not request.pictures and not request.continuations and self.longest:
            # As lm-eval does: what does not fit is cut on the left.
            room = max(1, self.longest - request.max_new_tokens)
            self.cut = max(self.cut, inputs.length if inputs.length > room else 0)
            inputs = Inputs({k: v[:, -room:] for k, v in inputs.tensors.items()})
        if not request.continuations:
            self.fits(inputs.length)
        inputs.request = request
        if self.mark_questions:
            inputs.question, inputs.earlier = self._said(request, inputs.tensors["input_ids"][0].tolist())
        return inputs

    def fits(self, tokens: int, new: int = 1) -> None:
        """Raises Unusable for a prompt of so many tokens that leaves no place for an answer of `new` ones, where
        positions are learned: there is none for a further token."""
        if self.longest and not self.rotary and tokens + new > self.longest:
            raise Unusable(
                f"the prompt is too long: {tokens} tokens and {new} for the answer, and the model's context holds "
                f"{self.longest}"
            )

    def continued(self, request: Request) -> list[list[Piece]]:
        """For each of `request.continuations` the pieces whose log-probabilities add up to its own.

        The cut is lm-eval's (`LM._encode_pair`): spaces that end the context belong to the continuation, and the
        continuation's tokens are those of the whole text after those of the context. What does not fit is cut on the
        left. With no context at all a text begins after the BOS (or EOS) token, and a longer text than fits is read
        in windows. Raises Unusable where a continuation has no token.
        """
        text = self.text(request)
        if not text.strip() and not request.pictures:
            return [self._windows(text + c) for c in request.continuations]
        context, start = self.encode(request), text
        if not request.pictures and (start := text.rstrip()) != text:
            context = _plain(self._ids(start), context)
        before = len(self._ids(start))
        pairs = []
        for continuation in request.continuations:
            whole = self.tokenizer(text + continuation, **self._special(text))["input_ids"]
            if not (tokens := whole[before:]):
                raise Unusable(f"the continuation {continuation!r} has no token of its own after its context")
            room, cut = self.longest + 1 - len(tokens), context
            if request.pictures:
                self.fits(context.length, len(tokens) - 1)
            elif self.longest and context.length > room:
                self.cut = max(self.cut, context.length)
                cut = _plain(context.tensors["input_ids"][0].tolist()[-max(1, room) :], context)
            pairs.append([(cut, tokens)])
        return pairs

    def _windows(self, text: str) -> list[Piece]:
        """Every token predicted once, from as much before it as fits (lm-eval's `get_rolling_token_windows`)."""
        tokens = self._ids(text)
        first = self.tokenizer.bos_token_id
        first = self.tokenizer.eos_token_id if first is None else first
        if tokens and tokens[0] == first:
            tokens = tokens[1:]
        if not tokens:
            raise Unusable("no text to compute a likelihood of")
        size = self.longest or len(tokens)
        pieces = [(_plain([first]), tokens[:size])]
        for start in range(size, len(tokens), size):
            end = min(start + size, len(tokens))
            pieces.append((_plain(tokens[end - size - 1 : start]), tokens[start:end]))
        return pieces

    def _said(self, request: Request, ids: list[int]) -> tuple[Span | None, tuple[Span, ...]]:
        """The tokens of the last user message's (first) text, and of all else that the user wrote: those that are not
        the template's around it."""
        text, found = self.text(request), dict[int, list[Span]]()
        encoded = self.tokenizer(text, return_offsets_mapping=True, **self._special(text))
        plain, offsets = encoded["input_ids"], encoded["offset_mapping"]
        # What follows all pictures is as far from the end as before they grew; what lies between, is looked for.
        limit, grown, between, pictures = len(text), len(ids) - len(plain), False, len(request.pictures)
        for number, message in reversed(list(enumerate(request.messages))):
            for part in reversed(message.content):
                if isinstance(part, Picture):
                    between, pictures = True, pictures - 1
                    continue
                words = part.strip()
                start = text.rfind(words, 0, limit) if words and message.role == "user" else -1
                inside = [i for i, (a, b) in enumerate(offsets) if start < b > a and a < start + len(words)]
                if start < 0 or not inside:
                    continue
                first, end = inside[0], inside[-1] + 1
                if between:
                    shifts = range(grown, -1, -1) if pictures else (0,)
                    fits = (g for g in shifts if ids[first + g : end + g] == plain[first:end])
                    grown, between = next(fits, grown), False
                limit = start
                found.setdefault(number, []).append((first + grown, end + grown))
        spans = [span for spans in found.values() for span in spans]
        question = found[max(found)][-1] if found else None
        return question, tuple(span for span in spans if span != question)

    def _encode(self, request: Request) -> Inputs:
        pictures = request.pictures
        if pictures and not self.sees:
            raise UsageError("this model reads text only, but the task shows pictures: choose a vision-language model")
        text = self.text(request)
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
            if made := self.ahead.take(pictures[0].digest):
                if seen := self._learn(self._ids(made[0]), made[1]):
                    self._keep(pictures[0].digest, seen)
                    return self._spliced(self._ids(text), seen)
                self.ahead.expect(())  # each question needs the processor
        _, tensors = self._processed(request)
        if len(pictures) == 1 and (seen := self._learn(self._ids(text), tensors)):
            self._keep(pictures[0].digest, seen)
        return Inputs(tensors)

    def _processed(self, request: Request) -> tuple[str, dict[str, torch.Tensor]]:
        """The request's text, and what the processor makes of it and the pictures. Runs in threads as well."""
        text, pictures = self.text(request), [p.load() for p in request.pictures]
        try:
            made = self.processor(images=pictures, text=[text], return_tensors="pt", **self._special(text))
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as e:  # of damaged or foreign settings: anything
            token = getattr(self.processor, "image_token", None)
            count = text.count(token) if isinstance(token, str) and token else len(pictures)
            why = f": the chat template writes {count} of {token} for them" if count != len(pictures) else ""
            raise Unusable(
                f"the checkpoint's processor cannot read this prompt and its pictures ({type(e).__name__}: "
                f"{first_line(e)}){why}"
            ) from e
        return text, dict(made)

    def _keep(self, digest: str, seen: _Seen) -> None:
        self._seen[digest] = seen
        self._kept += seen.size
        while self._kept > self.keep and len(self._seen) > 1:
            self._kept -= self._seen.popitem(last=False)[1].size

    def expect(self, requests: Iterable[Request]) -> None:
        """These will be encoded soon: their pictures are preprocessed ahead, where threads may."""
        self.ahead.expect(r for r in requests if len(r.pictures) == 1 and r.pictures[0].digest not in self._seen)

    def text(self, request: Request) -> str:
        """The chat template's text, each picture as its placeholder."""
        if self.chat == "plain" or request.plain:
            token = getattr(self.processor, "image_token", "")
            return "".join(token if isinstance(p, Picture) else p for m in request.messages for p in m.content)
        assert self._template
        return self._template.text(request.messages)

    def image_tokens(self, request: Request) -> int:
        """Tokens that the request's pictures become."""
        return int((self.encode(request).tensors["input_ids"] == self.image_id).sum())

    def tokens(self, request: Request) -> tuple[int, ...]:
        """Of the request's text; a picture is its placeholder. None where the chat template refuses the messages,
        which costs that sample alone when it is encoded."""
        try:
            return tuple(self._ids(self.text(request)))
        except Unusable:
            return ()

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
        for name in TYPE_IDS:
            if name in tensors:
                if torch.equal(tensors[name].bool(), marked) and int(tensors[name].max()) == 1:
                    masks.append(name)
                elif tensors[name].any():
                    return None
        pixels = {k: v for k, v in tensors.items() if k not in SEQUENCES}
        return _Seen(pixels, ids[len(before) : end], tuple(masks))

    def _spliced(self, short: list[int], seen: _Seen) -> Inputs:
        assert self.image_id is not None
        at = short.index(self.image_id)
        ids = torch.tensor([[*short[:at], *seen.tokens, *short[at + 1 :]]])
        tensors = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **seen.pixels}
        for name in seen.masks:
            tensors[name] = (ids == self.image_id).to(ids.dtype)
        return Inputs(tensors)

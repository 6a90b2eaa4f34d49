"""Which calls go through a Hugging Face model together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import FATAL
from harness.core.model import Call
from harness.models.hf.families import Text, families
from harness.models.hf.prompts import Prompts

if TYPE_CHECKING:
    from harness.steering import View

CPU_TOKENS = 12_000
"""Prompt tokens in a batch on a CPU: beyond this, larger batches are not faster and only cost memory."""
TEXT_ROWS = 16
"""Rows of a batch of text prompts on a CPU. They share nothing and differ in length: in a larger batch more of them
wait for the longest prompt and the longest answer."""
HELD = 2**31
"""Bytes of keys and values in a batch on a CPU, but for beginnings that its rows share."""
SLOTS = 128
"""Samples that are decoded at once, at most: more are hardly faster."""
USUAL = 128
"""Tokens of an answer that are counted on."""
USUALLY = 2**29
"""Bytes of keys and values that small models may hold beyond `CPU_TOKENS` where no answer is longer; `HELD` where all
are."""
MERGED = 256
"""Calls after which a batch is full whose samples make room for each other: their prompts are prepared together."""


@dataclass(frozen=True)
class Batching:
    """Plans batches for one loaded model.

    Attributes:
        device: "cpu", "mps", "cuda" ...
        pad: Whether prompts of different lengths may share a batch (left padding).
        streams: Rows that each call needs at most: its own, and its methods' contrast streams.
        shares: Whether questions about one picture share what is encoded of it.
    """

    prompts: Prompts
    view: View
    device: str
    pad: bool
    streams: int
    shares: bool = True

    def plan(self, calls: Sequence[Call], rows: int | None) -> Iterator[list[Call]]:
        """Questions about one picture side by side, pictures in order of appearance, shorter questions first.

        In half precision only prompts of equal length share a batch (`pad=False`): left padding changes tokens there.
        """
        groups: dict[tuple[str, ...], list[Call]] = {}
        for call in calls:
            groups.setdefault(tuple(p.digest for p in call.request.pictures), []).append(call)
        self.prompts.expect(members[0].request for members in groups.values())
        lengths = {
            id(c): sum(len(t) for m in c.request.messages for t in m.content if isinstance(t, str)) for c in calls
        }
        for members in groups.values():
            members.sort(key=lambda c: (c.request.max_new_tokens, lengths[id(c)]))
        if self.pad:
            words = groups.pop((), [])
            reads = [c for c in words if c.request.continuations]
            writes = [c for c in words if not c.request.continuations]
            if some := [g for g in (reads, *groups.values()) if g]:
                yield from _pack(some, rows or self.rows(some[0][0]))
            for family in families([Text(c, self.prompts.tokens(c.request)) for c in writes]):
                yield from self._texts(family, rows)
            return
        for some in self._together(list(groups.values())):
            by_length: dict[int, list[Call]] = {}
            for members in some:
                for call in members:
                    by_length.setdefault(self._length(call), []).append(call)
            for _, members in sorted(by_length.items()):
                yield from _pack([members], rows or self.rows(members[0]))

    def _together(self, groups: list[list[Call]]) -> Iterator[list[list[Call]]]:
        """On a CPU so many pictures as `Shown` keeps while their questions come, length by length; elsewhere all."""
        from harness.steering.shown import KEPT

        if self.device != "cpu" or not groups or not groups[0][0].request.pictures:
            yield groups
            return
        tokens = next(filter(None, (self._length(members[0]) for members in groups)), 0)
        count = max(1, KEPT // (max(1, tokens) * self._bytes()))
        for start in range(0, len(groups), count):
            yield groups[start : start + count]

    def _texts(self, family: Sequence[Text], rows: int | None) -> Iterator[list[Call]]:
        """Neighbours together, as many as fit beside the longest of them."""
        batch: list[Call] = []
        longest = 0
        for text in family:
            longest = max(longest, text.length)
            if batch and len(batch) >= (rows or self._rows(text.call, longest)):
                yield batch
                batch, longest = [], text.length
            batch.append(text.call)
        yield batch

    def slots(self, prompt: int, limit: int) -> int:
        """Samples that are decoded at once where those that end make room for others.

        Args:
            prompt: Tokens of the longest prompt.
            limit: Tokens of the longest answer that is allowed. Few get there: there is room for `USUAL` of them, and
                for all where small models take little room for them.
        """
        each, all_of = prompt + min(limit, USUAL), prompt + limit
        if self.device.startswith("cuda"):
            rows = self._free() // all_of
        else:
            usual = max(CPU_TOKENS, USUALLY // self._bytes()) // each
            rows = max(CPU_TOKENS // all_of, min(usual, HELD // (self._bytes() * all_of)))
        return max(1, min(SLOTS, rows // self.streams))

    def rows(self, call: Call) -> int:
        """Rows that fit: bounded by tokens on a CPU, by the key-value cache in free memory on a GPU."""
        return self._rows(call, self._length(call))

    def _length(self, call: Call) -> int:
        """Tokens of its prompt; 0 where it cannot be encoded, which costs its sample alone as soon as it is asked."""
        try:
            return self.prompts.encode(call.request).tensors["input_ids"].shape[1]
        except FATAL:
            raise
        except Exception:  # pictures and processors fail in many ways
            return 0

    def _rows(self, call: Call, prompt: int) -> int:
        """Of the longest prompt, in tokens."""
        tokens = prompt + call.request.max_new_tokens
        if not self.device.startswith("cuda"):
            reads = call.request.pictures or call.request.continuations
            most = min(128 if reads else TEXT_ROWS, CPU_TOKENS // (tokens * self.streams))
            if not (self.shares and call.request.pictures):
                most = min(most, HELD // (tokens * self.streams * self._bytes()))
            return max(1, most)
        return max(1, min(256, self._free() // (tokens * self.streams)))

    def _bytes(self) -> int:
        """Of a token's keys and values."""
        config = self.view.decoder.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return 2 * config.num_hidden_layers * heads * size * self.view.dtype.itemsize

    def _free(self) -> int:
        """Tokens whose keys and values may be held on a GPU."""
        import torch

        free, _ = torch.cuda.mem_get_info()
        return int(0.4 * free / (2 * self._bytes()))

    @property
    def tokens(self) -> int:
        """Tokens of a batch that is read, not generated: what `rows` allows for generation, no room for answers."""
        return CPU_TOKENS if not self.device.startswith("cuda") else 16 * CPU_TOKENS


def merged(batches: Iterator[list[Call]]) -> Iterator[list[Call]]:
    """Neighbouring batches as one, but for those that are read and not answered."""
    held: list[Call] = []
    for batch in batches:
        reads = any(call.request.continuations for call in batch)
        if held and (reads or len(held) + len(batch) > MERGED):
            yield held
            held = []
        if reads:
            yield batch
        else:
            held += batch
    if held:
        yield held


def _pack(groups: Sequence[list[Call]], rows: int) -> Iterator[list[Call]]:
    """Whole groups together up to `rows`; a larger group is cut."""
    batch: list[Call] = []
    for group in groups:
        if batch and len(batch) + len(group) > rows:
            yield batch
            batch = []
        batch += group
        while len(batch) >= rows:
            yield batch[:rows]
            batch = batch[rows:]
    if batch:
        yield batch


def mark_shared(calls: Sequence[Call], inputs: Sequence[Any], image_id: int | None) -> None:
    """Tell the steering layer which prompts begin alike: the same pictures, and the longest common run of tokens.

    The run must cover every image token and leave at least one token of the question.
    """
    from harness.steering.inputs import common_prefix

    groups: dict[tuple[str, ...], list[int]] = {}
    for i, call in enumerate(calls):
        if call.request.pictures:
            groups.setdefault(tuple(p.digest for p in call.request.pictures), []).append(i)
    for key, members in groups.items():
        if len(members) < 2:
            continue
        rows = [inputs[i].tensors["input_ids"][0] for i in members]
        length = min(common_prefix(rows), min(map(len, rows)) - 1)
        image = (rows[0] == image_id).nonzero()
        if len(image) and int(image[-1]) < length:
            for i in members:
                inputs[i].shared = ("+".join(key), length)

"""One sample's tensors, and batches of them: left-padded, with a second gap between a shared prefix and a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.drawing import Mark
from harness.core.pair import Pair
from harness.core.types import Request

TYPE_IDS = ("token_type_ids", "mm_token_type_ids")
"""Inputs that mark which tokens are a picture's, in families that read them."""
TEXT = "text"
"""The key of prompts that begin with the same text and show no picture (`Inputs.shared`)."""
SEQUENCES = ("input_ids", "attention_mask", *TYPE_IDS)
"""Inputs with one entry per prompt token; everything else belongs to the pictures."""


Span = tuple[int, int]
"""Tokens [start, end) of a prompt."""


@dataclass
class Inputs:
    """What a processor makes of one sample, on the CPU.

    `tensors` holds `input_ids` and `attention_mask` [1, T], the pictures' tensors, and whatever else the family reads.
    """

    tensors: dict[str, Tensor]
    shared: tuple[str, int] | None = None
    """(key, P): all inputs of a batch with this key have the same first P tokens, every image token among them, and
    the same pixels. A stream of a contrastive method keeps the key if the same holds for the streams."""
    question: Span | None = None
    """The tokens of the user's question, without template words."""
    earlier: Sequence[Span] = ()
    """The tokens of what else the user wrote: earlier messages, and texts after the question."""
    request: Request | None = field(default=None, repr=False)
    """What the tensors were made of, for methods that ask something else beside it (`View.encode`)."""
    marks: Sequence[Mark] = ()
    """What the task draws on the sample's pictures, where a probe `reads_marks`."""
    pair: Pair | None = field(default=None, repr=False)
    """The sample's counterpart, where the task has one and a probe `reads_pair`."""

    @property
    def length(self) -> int:
        return self.tensors["input_ids"].shape[1]

    @property
    def spans(self) -> list[Span]:
        """What the user wrote, the question first; none where it is not known."""
        return [self.question, *self.earlier] if self.question else []

    @property
    def sees(self) -> bool:
        """Whether there is a picture among the inputs."""
        return "pixel_values" in self.tensors

    def cut(self, length: int) -> Inputs:
        """The first `length` tokens with all pictures."""
        tensors = {k: v[:, :length] if k in SEQUENCES else v for k, v in self.tensors.items()}
        return Inputs(tensors)

    def kept(self, keep: Tensor) -> Inputs:
        """The sample without the tokens where `keep` [T] is false."""
        before = lambda n: int(keep[:n].sum())  # noqa: E731
        moved = lambda span: (before(span[0]), before(span[1]))  # noqa: E731
        return replace(
            self,
            tensors={k: v[:, keep] if k in SEQUENCES else v for k, v in self.tensors.items()},
            shared=(self.shared[0], before(self.shared[1])) if self.shared else None,
            question=moved(self.question) if self.question else None,
            earlier=[moved(span) for span in self.earlier],
        )

    def extended(self, tokens: Sequence[int]) -> Inputs:
        """The prompt with these text tokens after it; nothing of it is shared."""
        new = torch.tensor([list(tokens)], dtype=torch.long)
        grown = dict(self.tensors)
        for key in (k for k in SEQUENCES if k in grown and new.numel()):
            fill = new if key == "input_ids" else torch.full_like(new, int(key == "attention_mask"))
            grown[key] = torch.cat([grown[key], fill.to(grown[key].dtype)], 1)
        return Inputs(grown, question=self.question, earlier=self.earlier, request=self.request)

    def change(self, **tensors: Tensor) -> Inputs:
        """The same sample with some tensors exchanged."""
        return replace(self, tensors={**self.tensors, **tensors})


def beside(sample: Inputs, other: Inputs) -> Inputs:
    """`other` as a stream beside `sample` that has the same pixels: the prefix they have in common stays shared."""
    if sample.shared is None:
        return other
    mine, its = sample.tensors["input_ids"][0], other.tensors["input_ids"][0]
    return replace(other, shared=(sample.shared[0], min(sample.shared[1], common_prefix([mine, its]), len(its) - 1)))


def common_prefix(rows: Sequence[Tensor]) -> int:
    """How many tokens all rows [T] begin with."""
    short = min(map(len, rows))
    same = (torch.stack([r[:short] for r in rows]) == rows[0][:short]).all(0)
    return int(same.int().cumprod(0).sum())


def arrange(rows: Sequence[Tensor], cuts: Sequence[int], fill: int, device: torch.device | str | None = None) -> Tensor:
    """Vectors of several lengths as [b, P + S]: each is cut in two, and both parts are padded on their left."""
    head = max(cuts)
    tail = max(len(r) - c for r, c in zip(rows, cuts, strict=True))
    out = torch.full((len(rows), head + tail), fill, dtype=rows[0].dtype)
    for i, (row, cut) in enumerate(zip(rows, cuts, strict=True)):
        out[i, head - cut : head] = row[:cut]
        out[i, head + tail - (len(row) - cut) :] = row[cut:]
    return out.to(device) if device is not None else out


def collate(
    rows: Sequence[Inputs],
    *,
    pad: int,
    cuts: Sequence[int],
    pictures: bool,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Any]:
    """One batch on the model's device. Rows without a picture add no pixels.

    `cuts`: where each row's shared prefix ends (0: nothing is shared).
    """
    keys = dict.fromkeys(k for r in rows for k in r.tensors)
    batch: dict[str, Any] = {}
    for key in keys:
        if key in SEQUENCES:
            empty = 1 if key == "attention_mask" else 0
            vectors = [
                r.tensors[key][0] if key in r.tensors else torch.full_like(r.tensors["input_ids"][0], empty)
                for r in rows
            ]
            batch[key] = arrange(vectors, cuts, pad if key == "input_ids" else 0, device)
        elif pictures:
            value = _stack([r.tensors[key] for r in rows if key in r.tensors]).to(device)
            batch[key] = value.to(dtype) if value.is_floating_point() else value
    return batch


def _stack(parts: Sequence[Tensor]) -> Tensor:
    """Along the first axis. Other axes (tiles, height, width, Q-Former tokens) grow to the largest, with zeros."""
    shape = [max(sizes) for sizes in zip(*(p.shape[1:] for p in parts), strict=True)]
    grown = []
    for part in parts:
        missing = [(0, want - have) for want, have in zip(shape, part.shape[1:], strict=True)]
        flat = [n for pair in reversed(missing) for n in pair]
        grown.append(F.pad(part, flat) if any(flat) else part)
    return torch.cat(grown)

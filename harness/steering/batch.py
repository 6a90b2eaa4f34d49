"""One batch on its way through `generate()`: its rows, and what methods may ask about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.steering.eviction import SparseCache
from harness.steering.guard import Guard
from harness.steering.inputs import Inputs, arrange
from harness.steering.places import TOWER, Places
from harness.steering.view import View
from harness.steering.visible import Look


class Edits(Protocol):
    """What a batch knows of a method (`harness.steering.method.Steering`)."""

    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...
    def has(self, *points: str) -> bool: ...


Stream = tuple[Any, int]
"""A method, and which of its contrast streams."""
Peek = Callable[..., Tensor]
"""`peek(view, samples, methods)`: see `harness.steering.forward.peek`."""


class Batch:
    """Rows of the batch: the samples, then one block of the same length per contrast stream.

    In beam search each sample has `beams` neighbouring rows.
    """

    def __init__(
        self,
        view: View,
        methods: Sequence[Any],
        samples: Sequence[Inputs],
        streams: Mapping[Stream, Sequence[Inputs]] | None = None,
        beams: int = 1,
        peek: Peek | None = None,
    ):
        self._peek = peek
        self.view, self.methods, self.samples, self.beams = view, tuple(methods), tuple(samples), beams
        self.streams = dict(streams or {})
        self.hidden: dict[int, Tensor] = {}
        """Layer -> its output at the last position [rows, d], for the layers that methods read."""
        self.step = 0
        """Tokens chosen so far."""
        self.sampled = False
        """Whether tokens are drawn, not picked by their score."""
        self.length = self.total = self.query = self.columns = 0
        """Columns of the prompts (padding included), of the whole sequence; query positions of this pass; key columns
        of the present layer."""
        self.guard = Guard()
        self.shows = False
        """Whether the prompts are given with pixels (with a shared prefix they are not)."""
        self.where: Any = view.device
        self.keys: Tensor | None = None
        """Inside attention points: keys of this layer [b, Hk, k, D]."""
        self.values: Tensor | None = None
        """Inside attention points: values of this layer [b, Hk, k, D]."""
        self.places: Places | None = None
        """Inside points of the vision tower: where its tokens lie; None where the model's own windows cut a picture."""
        self.pixels: Tensor | None = None
        """Inside points of the vision tower: what it was called with, one row a crop or one a patch."""
        self.aside: Callable[[Tensor], Sequence[Tensor]] = lambda pixels: ()
        """Inside points of the vision tower: states [b, n, d] of all its layers in a plain pass over other pixels."""
        self.looks: Sequence[Look | None] = ()
        """What the vision tower did for each sample, where a method acts in it; None for a sample without a picture."""
        self.cache: SparseCache | None = None
        """The cache of which a method drops entries; None where none does."""
        self.cuts: Sequence[int] = (0,)
        self.mask: Tensor | None = None
        """Which columns of the prompts hold tokens [rows, columns], once they have been given to the model."""
        self._raw: Tensor | None = None
        self._kept: dict[str, Tensor] = {}

    @property
    def blocks(self) -> list[Sequence[Inputs]]:
        """The samples, and each stream's inputs."""
        return [self.samples, *self.streams.values()]

    @property
    def inputs(self) -> list[Inputs]:
        """The inputs of all rows (of one beam)."""
        return [row for block in self.blocks for row in block]

    @property
    def size(self) -> int:
        """Rows of the samples: n * beams."""
        return len(self.samples) * self.beams

    # -- what methods may ask

    @property
    def prefill(self) -> bool:
        """Whether this pass reads the prompt (or what follows its shared prefix)."""
        return self.total <= self.length

    @property
    def sees(self) -> Tensor:
        """[n] bool: which samples have a picture."""
        return torch.tensor([s.sees for s in self.samples], device=self.view.device)

    def rows(self, scope: str) -> slice:
        """The rows that a method of this scope touches."""
        return slice(None) if scope == "all" else slice(0, self.size)

    def tile(self, method: Edits, x: Tensor) -> Tensor:
        """One entry per sample [n, ...] as one entry per row that the method touches [b, ...]."""
        x = x.repeat_interleave(self.beams, 0) if self.beams > 1 else x
        return torch.cat([x] * len(self.blocks)) if method.scope == "all" and self.streams else x

    def stream(self, method: Edits, n: int = 0) -> Tensor | None:
        """The raw next-token logits [b, V] of the method's n-th contrast stream, None if this batch has none."""
        own = self.own(method, n)
        return None if own is None or self._raw is None else self._raw[own]

    def own(self, method: Edits, n: int = 0) -> slice | None:
        """Which of all rows are the method's n-th contrast stream, for points with `scope = "all"`."""
        if (method, n) not in self.streams:
            return None
        at = list(self.streams).index((method, n)) + 1
        return slice(at * self.size, (at + 1) * self.size)

    def early(self, method: Edits, l: int) -> Tensor:
        """Output of layer l at the last position, of the rows that the method touches [b, d]."""
        return self.hidden[l][self.rows(method.scope)]

    def image(self, method: Edits) -> Tensor:
        """Inside attention points: which key columns of this layer hold image tokens, bool [b, k]."""
        return self._columns("image", method)

    def image_mask(self, sample: int) -> Tensor:
        """Which tokens of a sample's prompt are image tokens, bool [T], on the CPU."""
        ids = self.samples[sample].tensors["input_ids"][0]
        return ids == (-1 if self.view.image_token_id is None else self.view.image_token_id)

    def question(self, method: Edits) -> Tensor:
        """Inside attention points: which key columns hold the user's question (`Inputs.question`), bool [b, k]."""
        return self._columns("question", method)

    def user(self, method: Edits) -> Tensor:
        """Inside attention points: which key columns hold text of the user, in any message (`Inputs.question` and
        `Inputs.earlier`), bool [b, k]."""
        return self._columns("user", method)

    def prompt(self, method: Edits) -> Tensor:
        """Inside attention points: which key columns hold the prompt, without padding, bool [b, k]."""
        return self._columns("prompt", method)

    def generated(self, method: Edits) -> Tensor:
        """Inside attention points: which key columns hold generated tokens, bool [b, k]."""
        columns = torch.arange(self.total - self.columns, self.total, device=self.where)
        return (columns >= self.length).expand(len(self._mask("prompt")[self.rows(method.scope)]), -1)

    def present(self, method: Edits) -> Tensor:
        """Inside attention points: which key columns hold tokens, prompt or generated, bool [b, k]."""
        return self.prompt(method) | self.generated(method)

    def positions(self, method: Edits) -> Tensor:
        """Inside attention points: the number of each key column's token in its row, counted from 0, [b, k]. Columns of
        padding have that of the token before them, or -1."""
        mask = self._mask("prompt")[self.rows(method.scope)].to(self.where).long()
        grown = torch.nn.functional.pad(mask, (0, self.total - mask.shape[1]), value=1)
        return grown.cumsum(-1)[:, self.total - self.columns :] - 1

    def peek(self, samples: Sequence[Inputs]) -> Tensor:
        """Last-position output of every decoder layer [len(samples), L, d] in a plain forward pass. Methods that
        change what a picture is are on."""
        if self._peek is None:
            raise RuntimeError("this batch does not run in generate(): give it peek= to look ahead")
        return self._peek(self.view, samples, [m for m in self.methods if m.has("picture", *TOWER)])

    def steps(self, passes: Sequence[int]) -> list[slice]:
        """Columns of each sample's decode steps, of the sequence so far, where it has taken part in so many passes."""
        return [slice(self.length, self.length + n - 1) for n in passes]

    # -- machinery

    def _columns(self, name: str, method: Edits) -> Tensor:
        """Columns of the prompts as columns of this layer's keys. Sliding windows keep the last ones only."""
        mask = self._mask(name)[self.rows(method.scope)].to(self.where)
        grown = torch.nn.functional.pad(mask, (0, self.total - mask.shape[1]))
        return grown[:, self.total - self.columns :]

    def _mask(self, name: str) -> Tensor:
        if name not in self._kept:
            marks = []
            for row in self.inputs:
                ids = row.tensors["input_ids"][0]
                mark = torch.zeros_like(ids)
                if name == "image" and self.view.image_token_id is not None:
                    mark = (ids == self.view.image_token_id).long()
                elif name in ("question", "user"):
                    for start, end in row.spans if name == "user" else row.spans[:1]:
                        mark[start:end] = 1
                elif name == "prompt":
                    mark = row.tensors["attention_mask"][0].long()
                marks.append(mark)
            mask = arrange(marks, self.cuts, 0, self.view.device).bool()
            self._kept[name] = mask.repeat_interleave(self.beams, 0) if self.beams > 1 else mask
        return self._kept[name]

"""Rows of a key-value cache that come and go, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from harness.steering.compat import with_cache
from harness.steering.method import Steering
from harness.steering.roomy import RoomyLayer

AXES = 3
"""Of M-RoPE's positions: after a prompt, each of them counts tokens."""
GAPS = 64
"""Columns of padding that may lie in the longest row."""
Place = tuple[int, str, int | None]
"""A method's number, the name of one of its attributes, and a layer where that is a dict."""


@dataclass(eq=False)
class Rows:
    """Prompts that the model has read, right-aligned: a block of slots for the samples, and one for each stream.

    Attributes:
        cache: Of `RoomyLayer`s [blocks * slots, heads, columns, size].
        columns: By name, which columns hold what [blocks, slots, columns]: "" for tokens of any kind, as
            `generate()` has its mask, others as in `harness.steering.slots`.
        position: Of each row's last token [blocks, slots]; None for a model that is given none.
        rotary: Whether the model's positions have M-RoPE's axes.
        kept: What methods hold, one entry a slot [1, slots, ...] or a row [blocks, slots, ...] (`Steering.refills`).
        by_column: The same of what has columns as its last axis (`Steering.by_column`).
    """

    cache: DynamicCache
    columns: dict[str, Tensor]
    position: Tensor | None
    rotary: bool
    kept: dict[Place, Tensor]
    by_column: dict[Place, Tensor]

    @property
    def mask(self) -> Tensor:
        return self.columns[""]

    @property
    def blocks(self) -> int:
        return self.mask.shape[0]

    @property
    def slots(self) -> int:
        return self.mask.shape[1]

    @property
    def length(self) -> int:
        return self.mask.shape[2]

    @property
    def layers(self) -> list[RoomyLayer]:
        return [layer for layer in self.cache.layers if isinstance(layer, RoomyLayer)]

    def empty(self, slots: Sequence[int]) -> int:
        """Columns in front that none of these slots uses."""
        return int(self.mask[:, list(slots)].flatten(0, 1).any(0).int().argmax())

    def lay(self, slots: int, taken: Sequence[int], at: Sequence[int], left: int = 0) -> None:
        """Copy what is in the slots `taken` to the slots `at` of so many, with `left` columns more in front."""
        one, other = self._rows(taken, self.slots), self._rows(at, slots)
        for layer in self.layers:
            layer.plain()
            layer.lay(slots * self.blocks, one, other, left)
        width = self.length + left
        for marks in (self.columns, self.by_column):
            for name, old in marks.items():
                new = old.new_zeros(old.shape[0], slots, *old.shape[2:-1], width)
                new[:, list(at), ..., max(0, left) :] = old[:, list(taken), ..., max(0, -left) :]
                marks[name] = new  # pyright: ignore[reportArgumentType]
        self._each(lambda old, _: _spread(old, slots, taken, at))

    def put(self, other: Rows, taken: Sequence[int], at: Sequence[int]) -> None:
        """Write the slots `taken` of other rows over the slots `at`."""
        if (missing := other.length - self.length) > 0:
            everyone = range(self.slots)
            self.lay(self.slots, everyone, everyone, missing)
        source, target = other._rows(taken, other.slots), self._rows(at, self.slots)
        for mine, its in zip(self.layers, other.layers, strict=True):
            mine.plain()
            mine.put(target, its.keys[source], its.values[source])
        for marks, others in ((self.columns, other.columns), (self.by_column, other.by_column)):
            for name, mark in marks.items():
                mark[:, list(at)] = 0
                mark[:, list(at), ..., self.length - other.length :] = others[name][:, list(taken)]  # pyright: ignore

        def written(mine: Tensor, its: Tensor) -> Tensor:
            if mine.dim() > 2:  # vectors of several lengths end alike
                width = max(mine.shape[-1], its.shape[-1])
                mine, its = (pad(x, (width - x.shape[-1], 0)) for x in (mine, its))
            mine[:, list(at)] = its[:, list(taken)]
            return mine

        self._each(written, other)

    def feed(self, model: Any, tokens: Tensor) -> Tensor:
        """Put tokens [slots, t] into the cache: logits [blocks * slots, t, V] in float32."""
        count = tokens.shape[1]
        self.columns = {name: pad(x, (0, count)) for name, x in self.columns.items()}
        self.mask[:, :, -count:] = 1
        tensors: dict[str, Any] = {"input_ids": tokens.repeat(self.blocks, 1)}
        if bool((self.mask == 0).any()):
            tensors["attention_mask"] = self.mask.flatten(0, 1)
        if self.position is not None:
            ahead = torch.arange(1, count + 1, device=self.position.device)
            position = (self.position[:, :, None] + ahead).flatten(0, 1)
            tensors["position_ids"] = position.expand(AXES, -1, -1) if self.rotary else position
            self.position = self.position + count
        out = model(**tensors, **with_cache(self.cache), use_cache=True, return_dict=True)
        return out.logits.float()

    def keep(self, counts: Sequence[int], of: int) -> None:
        """Of the last `of` columns each slot keeps the first so many, from 1 on; the others count as padding, which is
        taken out as soon as it is much."""
        kept = torch.tensor(list(counts), device=self.mask.device)
        self.mask[:, :, -of:] *= (torch.arange(of, device=self.mask.device) < kept[:, None]).to(self.mask.dtype)
        if self.position is not None:
            self.position = self.position - (of - kept)
        filled = int(self.mask.sum(-1).max())
        if self.length - filled > max(GAPS, filled // 4):
            self._squeeze(filled)

    def _squeeze(self, length: int) -> None:
        """Take padding out, so that the longest row has so many columns."""
        order = self.mask.argsort(dim=-1, stable=True)[:, :, -length:]
        self.columns = {name: x.gather(2, order) for name, x in self.columns.items()}
        for layer in self.layers:
            layer.pick(order.flatten(0, 1))

    def give(self, methods: Sequence[Steering]) -> None:
        """Let the methods hold what belongs to these rows."""
        for (number, name, layer), x in (*self.kept.items(), *self.by_column.items()):
            flat = x.flatten(0, 1)
            if layer is None:
                setattr(methods[number], name, flat)
            else:
                getattr(methods[number], name)[layer] = flat

    def take(self, methods: Sequence[Steering]) -> None:
        """What the methods hold of these rows now."""
        self.kept, self.by_column = held(methods, self.slots, self.length)

    def _each(self, change: Callable[[Tensor, Any], Tensor], other: Rows | None = None) -> None:
        if self.position is not None:
            self.position = change(self.position, other and other.position)
        for place, x in self.kept.items():
            self.kept[place] = change(x, other and other.kept[place])

    def _rows(self, slots: Sequence[int], of: int) -> Tensor:
        """Rows of these slots in all blocks. The index stays on the CPU: layers may lie on several devices."""
        return torch.cat([torch.tensor(list(slots)) + block * of for block in range(self.blocks)])


def held(methods: Sequence[Steering], slots: int, columns: int) -> tuple[dict[Place, Tensor], dict[Place, Tensor]]:
    """What methods hold of rows with so many columns, [1 or blocks, slots, ...], and what of it is by column."""
    kept: dict[Place, Tensor] = {}
    by_column: dict[Place, Tensor] = {}
    for number, method in enumerate(methods):
        for name in () if isinstance(method.refills, bool) else method.refills:
            value = getattr(method, name, None)
            parts: Mapping[Any, Any] = value if isinstance(value, dict) else {None: value}
            for layer, x in parts.items():
                if not isinstance(x, Tensor):
                    continue
                place, x = (number, name, layer), x.unflatten(0, (-1, slots))
                if name not in method.by_column:
                    kept[place] = x
                    continue
                if x.dim() < 3 or x.shape[-1] > columns:
                    raise RuntimeError(f"method={method.name}: {name} is not by the {columns} columns of the sequence")
                by_column[place] = pad(x, (0, columns - x.shape[-1]))
    return kept, by_column


def _spread(old: Tensor, slots: int, taken: Sequence[int], at: Sequence[int]) -> Tensor:
    new = old.new_zeros(old.shape[0], slots, *old.shape[2:])
    new[:, list(at)] = old[:, list(taken)]
    return new

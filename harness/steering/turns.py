"""A sample's next prompt goes on from its last one: as far as both begin alike and show the same pictures, nothing is
read again. Agents and conversations repeat what has been said, turn by turn.

Keys and values are kept of samples whose answers have ended, as soon as some sample has asked again.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.steering.carried import Carried, carries
from harness.steering.forward import Prefix
from harness.steering.inputs import SEQUENCES, Inputs
from harness.steering.method import Steering
from harness.steering.roomy import ROOM, RoomyLayer, roomy
from harness.steering.shown import size

if TYPE_CHECKING:
    from harness.steering.rows import Rows
    from harness.steering.view import View

SAVED = 64
"""Tokens that a prompt must have in common with the one before: fewer do not pay for the copies."""
KEPT = 2**29
"""Bytes of keys and values that are kept."""


@dataclass(frozen=True)
class Past:
    """What a prompt begins with: the first `length` tokens of an earlier one and its answer.

    `rest`: the prompt with those of its pictures alone that come later.
    """

    carried: Carried
    length: int
    rest: Inputs


class Turns:
    """What the model has read of samples that may ask again, the last ones that fit."""

    def __init__(self) -> None:
        self.wanted = False
        """Whether some sample has asked again."""
        self._held: dict[Hashable, tuple[Carried, Mapping[str, Tensor]]] = {}

    def keep(self, talk: Hashable, inputs: Inputs, tokens: Tensor, rows: Rows, slot: int) -> None:
        """Keep what a slot holds.

        Args:
            talk: Of the sample that may ask again.
            inputs: Its prompt, with all pictures.
            tokens: Of the prompt and the answer [T], as far as methods left them as they are.
        """
        columns = rows.mask[0, slot].nonzero()[: len(tokens), 0]
        layers = [layer.part(slot, columns) for layer in rows.layers]
        self._held.pop(talk, None)
        self._held[talk] = Carried(tokens[: len(columns)], layers), _pictures(inputs)
        while sum(size(one) + sum(x.nbytes for x in shown.values()) for one, shown in self._held.values()) > KEPT:
            del self._held[next(iter(self._held))]

    def take(self, talk: Hashable, inputs: Inputs, picture: int | None) -> Past | None:
        """What a sample's next prompt goes on from, which is not kept any longer; None where that is not enough.

        Args:
            picture: The token that stands for pictures.
        """
        self.wanted = True
        if talk not in self._held:
            return None
        held, shown = self._held.pop(talk)
        tokens = inputs.tensors["input_ids"][0].cpu()
        length = min(held.common(tokens), len(tokens) - 1)
        whole = picture is None or (held.tokens == picture).sum() == (tokens[:length] == picture).sum()
        rest = _later(inputs, shown)
        return Past(held, length, rest) if rest and whole and length >= SAVED else None


def _pictures(inputs: Inputs) -> dict[str, Tensor]:
    """All that belongs to a prompt's pictures."""
    return {k: v for k, v in inputs.tensors.items() if k not in SEQUENCES}


def _later(inputs: Inputs, shown: Mapping[str, Tensor]) -> Inputs | None:
    """A prompt without what it begins to show; None where its pictures begin otherwise."""
    given = _pictures(inputs)
    if given.keys() != shown.keys() or not all(torch.equal(given[k][: len(v)], v) for k, v in shown.items()):
        return None
    left = {k: v[len(shown[k]) :] for k, v in given.items()}
    if len({len(v) > 0 for v in left.values()}) > 1:
        return None
    tensors = {k: v for k, v in (inputs.tensors | left).items() if len(v)}
    return replace(inputs, tensors=tensors)


def go_on(view: View, methods: Sequence[Steering]) -> bool:
    """Whether prompts may go on from earlier ones under these methods: they leave all but a prompt's last token as it
    is, and read no other prompts beside it."""
    plain = all(m.prefix == "plain" and not (m.drops or m.contrasts or m.reads_question) for m in methods)
    return plain and not any(m.has("rewrite") for m in methods) and carries(view)


def begun(view: View, pasts: Sequence[Past]) -> Prefix:
    """A cache whose rows hold what prompts begin with, right-aligned. All show further pictures, or none does."""
    cuts = [past.length for past in pasts]
    cache = roomy(view)
    for l, layer in enumerate(cache.layers):
        assert isinstance(layer, RoomyLayer)
        made = []
        for which in range(2):
            first = pasts[0].carried.layers[l][which]
            store = first.new_zeros(len(cuts), first.shape[1], max(cuts) + ROOM, first.shape[3])
            for row, past in enumerate(pasts):
                store[row, :, max(cuts) - past.length : max(cuts)] = past.carried.layers[l][which][0, :, : past.length]
            made.append(store)
        layer.hold(made[0], made[1], ROOM)
    return Prefix(cache, None, cuts, pictures=pasts[0].rest.sees)


def said(inputs: Inputs, tokens: Sequence[int], methods: Sequence[Steering]) -> Tensor:
    """The tokens of a prompt and its answer [T] whose keys and values are the model's own."""
    prompt = inputs.tensors["input_ids"][0].cpu()
    return prompt[:-1] if methods else torch.cat([prompt, torch.tensor(tokens, dtype=prompt.dtype)])

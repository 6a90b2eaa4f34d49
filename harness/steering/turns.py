"""A sample's next prompt goes on from its last one: as far as both begin alike and show the same pictures, nothing is
read again. Agents and conversations repeat what has been said, turn by turn.

Keys and values are kept of samples whose answers have ended, as soon as some sample has asked again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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
        self._held: dict[Hashable, tuple[tuple[str, ...], Carried]] = {}

    def keep(self, talk: Hashable, pictures: tuple[str, ...], tokens: Tensor, rows: Rows, slot: int) -> None:
        """Keep what a slot holds.

        Args:
            talk: Of the sample that may ask again.
            pictures: Digests of those that its prompt shows.
            tokens: Of the prompt and the answer [T], as far as methods left them as they are.
        """
        columns = rows.mask[0, slot].nonzero()[: len(tokens), 0]
        layers = []
        for layer in rows.layers:
            keys, values = layer.row(slot)
            at = columns.to(keys.device)
            layers.append((keys[:, :, at], values[:, :, at]))
        self._held.pop(talk, None)
        self._held[talk] = pictures, Carried(tokens[: len(columns)], layers)
        while sum(size(one) for _, one in self._held.values()) > KEPT:
            del self._held[next(iter(self._held))]

    def take(self, talk: Hashable, pictures: tuple[str, ...], inputs: Inputs, picture: int | None) -> Past | None:
        """What a sample's next prompt goes on from, which is not kept any longer; None where that is not enough.

        Args:
            picture: The token that stands for pictures.
        """
        self.wanted = True
        shown, held = self._held.pop(talk, ((), None))
        if held is None or shown != pictures[: len(shown)]:
            return None
        tokens = inputs.tensors["input_ids"][0].cpu()
        length = min(held.common(tokens), len(tokens) - 1)
        whole = picture is None or (held.tokens == picture).sum() == (tokens[:length] == picture).sum()
        if length < SAVED or not whole:
            return None
        rest = _later(inputs, len(shown), len(pictures))
        return Past(held, length, rest) if rest else None


def _later(inputs: Inputs, read: int, of: int) -> Inputs | None:
    """A prompt without its first `read` pictures; None where its tensors do not tell one picture from another."""
    kinds = {k: v for k, v in inputs.tensors.items() if k in SEQUENCES}
    if read == of:
        return replace(inputs, tensors=kinds)
    others = {k: v[read:] for k, v in inputs.tensors.items() if k not in SEQUENCES}
    whole = all(len(v) == of for k, v in inputs.tensors.items() if k not in SEQUENCES)
    return replace(inputs, tensors=kinds | others) if whole else None


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

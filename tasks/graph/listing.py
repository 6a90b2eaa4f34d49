"""A node's neighbourhood as the prompt lists it, and the paper's four perturbations of its structure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

ROUNDS = 11
"""Exchanges of second-order nodes in perturbation II, as in the released code."""


@dataclass(frozen=True)
class Listing:
    """A centre, its neighbours in the order in which they are listed, and each one's own list (repeats stay)."""

    centre: int
    first: tuple[int, ...]
    second: tuple[tuple[int, ...], ...]
    words: Mapping[int, str]
    """Node -> the word that it shows; the centre shows none."""

    @property
    def slots(self) -> list[int]:
        """Every listed node, in order: one entry for each time that it is listed."""
        return [n for f, listed in zip(self.first, self.second, strict=True) for n in (f, *listed)]

    @property
    def edges(self) -> set[tuple[int, int]]:
        """Who is linked to whom by this listing, each pair once, without loops."""
        pairs = [(self.centre, f) for f in self.first]
        pairs += [(f, s) for f, listed in zip(self.first, self.second, strict=True) for s in listed]
        return {(min(p), max(p)) for p in pairs if p[0] != p[1]}

    def text(self) -> str:
        """`node 1 is linked to [node 2 (likes tea) is linked to [node 3 (likes milk)], node 4 (likes tea)]`."""
        parts = []
        for f, listed in zip(self.first, self.second, strict=True):
            inner = f" is linked to [{', '.join(map(self._shown, listed))}]" if listed else ""
            parts.append(self._shown(f) + inner)
        return f"node {self.centre} is linked to [{', '.join(parts)}]"

    def _shown(self, node: int) -> str:
        return f"node {node} (likes {self.words[node]})"


def swapped(listing: Listing, rng: random.Random) -> Listing:
    """I: two neighbours swap their lists."""
    a, b = rng.sample(range(len(listing.first)), 2)
    second = list(listing.second)
    second[a], second[b] = second[b], second[a]
    return replace(listing, second=tuple(second))


def exchanged(listing: Listing, rng: random.Random) -> Listing:
    """II: in eleven rounds two lists exchange one node each."""
    second = [list(listed) for listed in listing.second]
    filled = [i for i, listed in enumerate(second) if listed]
    for _ in range(ROUNDS):
        a, b = rng.sample(filled, 2)
        i, j = rng.randrange(len(second[a])), rng.randrange(len(second[b]))
        second[a][i], second[b][j] = second[b][j], second[a][i]
    return replace(listing, second=tuple(map(tuple, second)))


def shuffled(listing: Listing, rng: random.Random) -> Listing:
    """III: all listed nodes are dealt again to all slots."""
    slots = listing.slots
    rng.shuffle(slots)
    return _filled(listing, slots)


def replaced(listing: Listing, words: Mapping[int, str], rng: random.Random) -> Listing:
    """IV: each listed node becomes another graph's; `words` are that graph's nodes."""
    known = sorted(set(listing.slots))
    others = rng.sample([n for n in sorted(words) if n != listing.centre], len(known))
    new = dict(zip(known, others, strict=True))
    return replace(_filled(listing, [new[n] for n in listing.slots]), words={n: words[n] for n in others})


def _filled(listing: Listing, slots: Sequence[int]) -> Listing:
    left = iter(slots)
    first, second = [], []
    for listed in listing.second:
        first.append(next(left))
        second.append(tuple(next(left) for _ in listed))
    return replace(listing, first=tuple(first), second=tuple(second))


ARMS: dict[str, Callable[[Listing, Mapping[int, str], random.Random], Listing]] = {
    "none": lambda listing, words, rng: listing,
    "I": lambda listing, words, rng: swapped(listing, rng),
    "II": lambda listing, words, rng: exchanged(listing, rng),
    "III": lambda listing, words, rng: shuffled(listing, rng),
    "IV": replaced,
}
"""Perturbation -> the listing under it. `words`: the nodes of another graph, for IV."""

"""Graphs with planted groups, whose nodes show a noisy word, and what such a graph makes probable."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.tasks.graph.listing import Listing

GROUPS = ("tea", "milk", "water", "juice")
NODES = 160
NOISE = 0.6
"""Chance that a node's word is drawn from all groups instead of being its own."""
FIRST, SECOND = 8, 4
"""Most neighbours that are listed of the centre, and of each of them."""


@dataclass(frozen=True)
class Variant:
    """How likely two nodes of one group, and of two groups, are linked."""

    name: str
    within: float
    between: float
    told: str
    """What the prompt says about it."""


VARIANTS = {
    v.name: v
    for v in (
        Variant("homophilous", 0.15, 0.01, "Linked nodes mostly belong to the same group."),
        Variant("weak", 0.12, 0.02, "Linked nodes often belong to the same group."),
        Variant("heterophilous", 0.02, 0.06, "Linked nodes mostly belong to different groups."),
    )
}


@dataclass(frozen=True)
class Graph:
    """`group` and `word` of each node, as numbers of GROUPS, and its neighbours, ascending."""

    group: Sequence[int]
    word: Sequence[int]
    neighbours: Sequence[Sequence[int]]

    @property
    def words(self) -> dict[int, str]:
        return {n: GROUPS[w] for n, w in enumerate(self.word)}


def graph(variant: Variant, rng: random.Random) -> Graph:
    """A graph of NODES nodes in groups of equal size, mixed."""
    group = [n % len(GROUPS) for n in range(NODES)]
    rng.shuffle(group)
    word = [rng.randrange(len(GROUPS)) if rng.random() < NOISE else g for g in group]
    neighbours: list[list[int]] = [[] for _ in range(NODES)]
    for a in range(NODES):
        for b in range(a + 1, NODES):
            if rng.random() < (variant.within if group[a] == group[b] else variant.between):
                neighbours[a].append(b)
                neighbours[b].append(a)
    return Graph(group, word, neighbours)


def listing(made: Graph, centre: int, rng: random.Random) -> Listing | None:
    """A draw of the centre's neighbourhood; None where fewer than two of its neighbours have others."""

    def some(node: int, most: int, without: int) -> tuple[int, ...]:
        others = [n for n in made.neighbours[node] if n != without]
        return tuple(rng.sample(others, min(most, len(others))))

    first = some(centre, FIRST, -1)
    second = tuple(some(f, SECOND, centre) for f in first)
    if sum(map(bool, second)) < 2:
        return None
    return Listing(centre, first, second, {n: GROUPS[made.word[n]] for n in {*first, *(s for l in second for s in l)}})


def posterior(shown: Listing, variant: Variant) -> np.ndarray:
    """P(group of the centre | listed links, words) [groups], exact: the sum over all groups of all other nodes.

    Links follow the variant and words NOISE. A pair that is not listed says nothing: the listing is a draw.
    """
    number = {n: i for i, n in enumerate((shown.centre, *dict.fromkeys(shown.slots)))}
    count = len(GROUPS)
    link = np.full((count, count), variant.between) + np.eye(count) * (variant.within - variant.between)
    said = np.full((count, count), NOISE / count) + np.eye(count) * (1 - NOISE)
    factors: list = []
    for a, b in sorted(shown.edges):
        factors += [link / link.sum(0), [number[a], number[b]]]
    for node, word in shown.words.items():
        factors += [said[:, GROUPS.index(word)], [number[node]]]
    joint = np.einsum(*factors, [number[shown.centre]], optimize="greedy")
    return joint / joint.sum()

"""Classes in context or in weights (Reddy, "The mechanistic basis of data dependence and abrupt learning in an
in-context classification task", arXiv 2312.03002).

`classes` classes with a mean each and one of `labels` labels (class c: c mod labels). An item is its class's mean with
noise. A sequence: `items` pairs (item, label), then an item whose label is asked. Bursty ones have items / burst
classes, each `burst` times, and the asked item is of one of them; fresh ones have classes that were never seen, so that
only the context tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SETS = ("ic", "ic2", "iw", "train")
"""ic: fresh classes, bursty. ic2: known classes whose labels are moved on by one. iw: known classes, neither the asked
class nor its label in the context. train: as in training."""


@dataclass(frozen=True)
class World:
    """The known classes and the numbers behind sequences.

    Args:
        spread: Noise of an item over its class's mean (epsilon).
        zipf: Known classes occur in proportion to rank^-zipf.
        bursty, fresh: Shares of training sequences (p_B, p_C). Fresh ones are bursty; `bursty` is of the others.
        distinct: Whether the classes of a context have labels of their own.
    """

    classes: int = 512
    labels: int = 16
    burst: int = 2
    items: int = 8
    dimension: int = 63
    spread: float = 0.1
    zipf: float = 0.0
    bursty: float = 0.5
    fresh: float = 0.5
    distinct: bool = True

    @cached_property
    def means(self) -> np.ndarray:
        """[classes, dimension]: known to every model that is trained in this world."""
        rng = np.random.default_rng((4, self.classes, self.dimension))
        return rng.standard_normal((self.classes, self.dimension)) / np.sqrt(self.dimension)

    @cached_property
    def label_vectors(self) -> np.ndarray:
        """The vector of each label, [labels, dimension]."""
        rng = np.random.default_rng((5, self.labels, self.dimension))
        return rng.standard_normal((self.labels, self.dimension)) / np.sqrt(self.dimension)

    @cached_property
    def weights(self) -> np.ndarray:
        """[classes]: how often a class occurs."""
        found = np.arange(1, self.classes + 1) ** -self.zipf
        return found / found.sum()

    @property
    def width(self) -> int:
        """Numbers of a vector: its position as one-hot, then the content."""
        return 2 * self.items + 1 + self.dimension


@dataclass(frozen=True)
class Contexts:
    """`n` sequences: values [n, 2 items + 1, width], the asked label [n], labels in the context [n, items], and classes
    (of known ones; -1 else) [n, items] and [n]."""

    values: np.ndarray
    target: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    asked: np.ndarray


def make(world: World, which: str, n: int, rng: np.random.Generator) -> Contexts:
    """`n` sequences of a set of SETS."""
    w = world
    count = w.items // w.burst
    bursty, fresh = (np.zeros(n, dtype=bool) for _ in range(2))
    if which == "train":
        fresh = rng.random(n) < w.fresh
        bursty = fresh | (rng.random(n) < w.bursty)
    elif which != "iw":
        bursty[:], fresh[:] = True, which == "ic"
    order = rng.permuted(np.broadcast_to(np.arange(w.items) // w.burst, (n, w.items)), axis=1)
    # Bursty: `count` classes with their labels, shared by `burst` items each.
    labels = _labels(w, n, count, rng)
    classes = _of_label(w, labels, rng)
    place = rng.integers(w.items, size=n)
    in_context = np.take_along_axis(classes, order, 1)
    asked = np.take_along_axis(in_context, place[:, None], 1)[:, 0]
    # Independent draws, and for iw a target that the context does not tell.
    alone = rng.choice(w.classes, p=w.weights, size=(n, w.items))
    target = rng.choice(w.classes, p=w.weights, size=n)
    if which == "iw":
        while (clash := alone % w.labels == target[:, None] % w.labels).any():
            alone = np.where(clash, rng.choice(w.classes, p=w.weights, size=alone.shape), alone)
    in_context = np.where(bursty[:, None], in_context, alone)
    asked = np.where(bursty, asked, target)
    shown, answer = in_context % w.labels, asked % w.labels
    means, mean = w.means[in_context], w.means[asked]
    if fresh.any():
        new = rng.standard_normal((n, count, w.dimension)) / np.sqrt(w.dimension)
        means = np.where(fresh[:, None, None], np.take_along_axis(new, order[..., None], 1), means)
        own = np.take_along_axis(order, place[:, None], 1)
        mean = np.where(fresh[:, None], np.take_along_axis(new, own[..., None], 1)[:, 0], mean)
        in_context = np.where(fresh[:, None], -1, in_context)
        asked = np.where(fresh, -1, asked)
    if which == "ic2":
        shown, answer = (shown + 1) % w.labels, (answer + 1) % w.labels
    values = _values(w, means, mean, w.label_vectors[shown], rng)
    return Contexts(values, answer, shown, in_context, asked)


def _labels(w: World, n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """[n, count] labels in proportion to their classes' weights; different ones where the world is `distinct`."""
    weights = np.bincount(np.arange(w.classes) % w.labels, w.weights, w.labels)
    if not w.distinct:
        return rng.choice(w.labels, p=weights / weights.sum(), size=(n, count))
    times = rng.standard_exponential((n, w.labels)) / weights
    return np.argsort(times, 1)[:, :count]


def _of_label(w: World, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A class of each label, in proportion to its weight."""
    table = w.weights.reshape(-1, w.labels).T  # class c = rank x labels + label
    steps = np.cumsum(table / table.sum(1, keepdims=True), 1)
    rank = (rng.random(labels.shape)[..., None] > steps[labels]).sum(-1)
    return np.minimum(rank, table.shape[1] - 1) * w.labels + labels


def _values(w: World, means: np.ndarray, mean: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[n, 2 items + 1, width]: item, label, item, label, ..., the asked item."""
    n = len(means)
    items = np.concatenate([means, mean[:, None]], 1)
    noise = w.spread * rng.standard_normal(items.shape) / np.sqrt(w.dimension)
    items = (items + noise) / np.sqrt(1 + w.spread**2)
    out = np.zeros((n, 2 * w.items + 1, w.width), dtype=np.float32)
    out[:, :, : 2 * w.items + 1] = np.eye(2 * w.items + 1, dtype=np.float32)
    out[:, 0::2, 2 * w.items + 1 :] = items
    out[:, 1::2, 2 * w.items + 1 :] = labels
    return out


def nearest(world: World, values: np.ndarray) -> np.ndarray:
    """The label [n] after the most similar item of the context: an induction head, built by hand."""
    content = values[..., 2 * world.items + 1 :]
    like = np.einsum("nid,nd->ni", content[:, 0:-1:2], content[:, -1])
    told = np.take_along_axis(content[:, 1::2], like.argmax(1)[:, None, None], 1)[:, 0]
    return (told @ world.label_vectors.T).argmax(1)


def copied(contexts: Contexts) -> np.ndarray:
    """[n]: how often a label of the context, drawn at random, is the right one."""
    return (contexts.labels == contexts.target[:, None]).mean(1)


def facts(world: World) -> Mapping[str, float]:
    """Levels of ic by calculation."""
    return {"chance": 1 / world.labels, "copying a label of the context": world.burst / world.items}

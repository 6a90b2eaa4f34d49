"""Multi-query associative recall (Arora et al., Zoology, arXiv 2312.04927; data/multiquery_ar.py of its repository).

Pairs first: key, value, key, value. Then every key once more at an even offset, where its value is asked. Offsets crowd
after the pairs: they are drawn without replacement with probability proportional to g^(power - 1), g = 1, 2, ...
"""

from __future__ import annotations

import numpy as np

from harness.core import UsageError
from harness.core.series import NONE, Examples
from harness.tasks.recall.shapes import Slice

FILLS = ("zero", "random", "other")
"""What stands where no key is asked: 0; any token, keys of the sequence included (Zoology's default, which makes
spurious pairs); or any token that is not a key of the sequence."""


def check(at: Slice, vocabulary: int) -> None:
    """Raises UsageError where such sequences do not exist."""
    if at.length % 2 or 4 * at.pairs > at.length:
        raise UsageError(f"task.slices={at.name}: MQAR needs an even length of at least 4 x pairs ({4 * at.pairs})")
    if at.pairs > vocabulary // 2 - 1:
        raise UsageError(
            f"task.slices={at.name}: {at.pairs} pairs need task.vocabulary={2 * at.pairs + 2} or more, not {vocabulary}"
        )


def make(
    at: Slice, n: int, rng: np.random.Generator, *, vocabulary: int, fill: str = "zero", power: float = 0.01
) -> Examples:
    """`n` sequences. Keys are 1 .. vocabulary/2 - 1, values the upper half; neither repeats inside a sequence.

    The value is asked at its key's second place: logits there predict it.
    """
    half, pairs, zone = vocabulary // 2, at.pairs, at.length - 2 * at.pairs
    keys = 1 + distinct(rng, n, half - 1, pairs)
    values = half + distinct(rng, n, vocabulary - half, pairs)
    weights = np.arange(1, zone // 2 + 1) ** (power - 1.0)
    places = 2 * pairs + 2 * _drawn(rng, n, weights, pairs)
    symbols = np.zeros((n, at.length), dtype=np.int64)
    targets = np.full((n, at.length), NONE, dtype=np.int64)
    symbols[:, 0 : 2 * pairs : 2] = keys
    symbols[:, 1 : 2 * pairs : 2] = values
    np.put_along_axis(symbols, places, keys, 1)
    np.put_along_axis(targets, places, values, 1)
    if fill != "zero":
        free = (symbols == 0) & (np.arange(at.length) >= 2 * pairs)
        symbols = np.where(free, _filler(rng, symbols.shape, keys, vocabulary, fill), symbols)
    return Examples(symbols, targets)


def _filler(
    rng: np.random.Generator, shape: tuple[int, int], keys: np.ndarray, vocabulary: int, fill: str
) -> np.ndarray:
    """Random tokens; with `other` one that is a key of its sequence is moved on to the next that is none."""
    drawn = rng.integers(vocabulary, size=shape)
    if fill == "random":
        return drawn
    taken = np.zeros((shape[0], vocabulary), dtype=bool)
    np.put_along_axis(taken, keys, True, 1)
    while (bad := np.take_along_axis(taken, drawn, 1)).any():
        drawn = np.where(bad, (drawn + 1) % vocabulary, drawn)
    return drawn


def distinct(rng: np.random.Generator, n: int, of: int, count: int) -> np.ndarray:
    """[n, count] different numbers below `of` in each row, in random order."""
    return _drawn(rng, n, np.ones(of), count)


def _drawn(rng: np.random.Generator, n: int, weights: np.ndarray, count: int) -> np.ndarray:
    """[n, count] places drawn one after another without replacement, in proportion to `weights`: the `count` smallest
    of exponential times with these rates, in their order."""
    times = rng.standard_exponential((n, len(weights))) / weights
    first = np.argpartition(times, count - 1, 1)[:, :count]
    order = np.argsort(np.take_along_axis(times, first, 1), 1)
    return np.take_along_axis(first, order, 1)

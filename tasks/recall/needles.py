"""Needle and passkey over synthetic tokens: after RULER's single needles and the passkey test, without words.

Tokens: 0 opens a needle, 1 asks, then keys, values and noise, a third of the rest each.
"""

from __future__ import annotations

import numpy as np

from harness.core import UsageError
from harness.core.series import NONE, Examples
from harness.tasks.recall.mqar import distinct
from harness.tasks.recall.shapes import Slice

OPEN, ASK = 0, 1
PATTERN = 8
"""Tokens of the sentence that a passkey's haystack repeats."""


def parts(vocabulary: int) -> tuple[int, int, int]:
    """Where keys, values and noise begin."""
    third = (vocabulary - 2) // 3
    return 2, 2 + third, 2 + 2 * third


def check_needle(at: Slice, vocabulary: int) -> None:
    """Raises UsageError where such sequences do not exist."""
    third = parts(vocabulary)[1] - 2
    if at.length < 4 * at.pairs + 2:
        raise UsageError(f"task.slices={at.name}: {at.pairs} needles need a length of {4 * at.pairs + 2} or more")
    if at.pairs > third:
        raise UsageError(f"task.slices={at.name}: {at.pairs} needles need task.vocabulary={3 * at.pairs + 2} or more")


def needle(at: Slice, n: int, rng: np.random.Generator, *, vocabulary: int) -> Examples:
    """Needles (OPEN, key, value) in random noise; at the end stands (ASK, key), where the value of one is asked."""
    keys, values, noise = parts(vocabulary)
    symbols = rng.integers(noise, vocabulary, size=(n, at.length))
    named = keys + distinct(rng, n, values - keys, at.pairs)
    told = values + distinct(rng, n, noise - values, at.pairs)
    free = at.length - 2 - 3 * at.pairs  # places of noise; a needle starts after some number of them
    starts = np.sort(distinct(rng, n, free + at.pairs, at.pairs), 1)
    starts = starts + 2 * np.arange(at.pairs)
    for offset, part in enumerate((np.full_like(named, OPEN), named, told)):
        np.put_along_axis(symbols, starts + offset, part, 1)
    which = rng.integers(at.pairs, size=n)
    symbols[:, -2] = ASK
    symbols[:, -1] = named[np.arange(n), which]
    targets = np.full(symbols.shape, NONE, dtype=np.int64)
    targets[:, -1] = told[np.arange(n), which]
    return Examples(symbols, targets)


def check_passkey(at: Slice, vocabulary: int) -> None:
    """Raises UsageError where such sequences do not exist."""
    if at.length < 2 * at.pairs + 2:
        raise UsageError(f"task.slices={at.name}: a passkey of {at.pairs} needs a length of {2 * at.pairs + 2} or more")
    if vocabulary < 3 * 2 + 2:
        raise UsageError(f"task.vocabulary={vocabulary} is too small for a passkey: give 8 or more")


def passkey(at: Slice, n: int, rng: np.random.Generator, *, vocabulary: int) -> Examples:
    """A passkey of `pairs` values after OPEN in a haystack that repeats one sentence; ASK ends it, and the passkey is
    asked value by value, each after the right one before it."""
    _, values, noise = parts(vocabulary)
    sentence = rng.integers(noise, vocabulary, size=(n, PATTERN))
    symbols = np.tile(sentence, (1, -(-at.length // PATTERN)))[:, : at.length].astype(np.int64)
    key = rng.integers(values, noise, size=(n, at.pairs))
    start = rng.integers(at.length - 2 * at.pairs, size=n)[:, None]
    np.put_along_axis(symbols, start, OPEN, 1)
    np.put_along_axis(symbols, start + 1 + np.arange(at.pairs), key, 1)
    symbols[:, -at.pairs] = ASK
    symbols[:, at.length - at.pairs + 1 :] = key[:, :-1]
    targets = np.full(symbols.shape, NONE, dtype=np.int64)
    targets[:, -at.pairs :] = key
    return Examples(symbols, targets)

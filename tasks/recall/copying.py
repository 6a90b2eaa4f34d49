"""Selective copying (Gu and Dao, Mamba, arXiv 2312.00752): tokens at random places among blanks, to be given back in
their order.

Tokens: 0 is a blank, 1 asks for the next token, the others are to be copied and may repeat.
"""

from __future__ import annotations

import numpy as np

from harness.core import UsageError
from harness.core.series import NONE, Examples
from harness.tasks.recall.mqar import distinct
from harness.tasks.recall.shapes import Slice

BLANK, NEXT = 0, 1


def check(at: Slice, vocabulary: int) -> None:
    """Raises UsageError where such sequences do not exist."""
    if at.length < 2 * at.pairs:
        raise UsageError(f"task.slices={at.name}: copying {at.pairs} tokens needs a length of {2 * at.pairs} or more")
    if vocabulary < 4:
        raise UsageError(f"task.vocabulary={vocabulary} leaves nothing to copy: give 4 or more")


def make(at: Slice, n: int, rng: np.random.Generator, *, vocabulary: int) -> Examples:
    """`pairs` tokens among the first length - pairs positions; the last `pairs` positions ask for them."""
    kept = rng.integers(2, vocabulary, size=(n, at.pairs))
    places = np.sort(distinct(rng, n, at.length - at.pairs, at.pairs), 1)
    symbols = np.full((n, at.length), BLANK, dtype=np.int64)
    np.put_along_axis(symbols, places, kept, 1)
    symbols[:, -at.pairs :] = NEXT
    targets = np.full(symbols.shape, NONE, dtype=np.int64)
    targets[:, -at.pairs :] = kept
    return Examples(symbols, targets)

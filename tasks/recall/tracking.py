"""Permutation state tracking: the word problem of the symmetric group S_n (Merrill et al., arXiv 2404.08819).

Each token is a permutation of n items; at every position the product of all permutations so far is asked. For n = 5
no model of constant depth without a nonlinear recurrence can do this at every length (the group is not solvable).
"""

from __future__ import annotations

import itertools
from functools import cache
from math import factorial

import numpy as np

from harness.core import UsageError
from harness.core.series import Examples
from harness.tasks.recall.shapes import Slice

MOST = 5
"""Items; S_6 has 720 elements."""


@cache
def products(items: int) -> np.ndarray:
    """[n!, n!]: the number of (a after b) for the numbers of two permutations, in lexicographic order."""
    all_ = list(itertools.permutations(range(items)))
    number = {p: i for i, p in enumerate(all_)}
    return np.array([[number[tuple(a[x] for x in b)] for b in all_] for a in all_], dtype=np.int64)


def check(at: Slice, vocabulary: int) -> None:
    """Raises UsageError where such sequences do not exist."""
    if not 2 <= at.pairs <= MOST:
        raise UsageError(f"task.slices={at.name}: state tracking permutes 2 to {MOST} items, not {at.pairs}")
    if factorial(at.pairs) > vocabulary:
        raise UsageError(
            f"task.slices={at.name}: {at.pairs} items have {factorial(at.pairs)} permutations: give "
            f"task.vocabulary={factorial(at.pairs)} or more, not {vocabulary}"
        )


def make(at: Slice, n: int, rng: np.random.Generator, *, vocabulary: int) -> Examples:
    """Uniform permutations; the state starts at the identity, and each token is applied after those before it."""
    table = products(at.pairs)
    symbols = rng.integers(len(table), size=(n, at.length))
    targets = np.empty_like(symbols)
    state = np.zeros(n, dtype=np.int64)  # the identity comes first in lexicographic order
    for t in range(at.length):
        state = table[symbols[:, t], state]
        targets[:, t] = state
    return Examples(symbols, targets)

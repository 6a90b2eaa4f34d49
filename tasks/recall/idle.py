"""Idle attention: MQAR among positions that need no memory (after the bigram-backcopy task of arXiv 2410.13835).

A key that comes again asks for its value; every other token is to be repeated. So a head has nothing to look for at
most positions, and softmax must look somewhere: the sequence starts with a token that says nothing, where a sink can
form.
"""

from __future__ import annotations

import numpy as np

from harness.core.series import NONE, Examples
from harness.tasks.recall import mqar
from harness.tasks.recall.shapes import Slice

START = 0


def check(at: Slice, vocabulary: int) -> None:
    """Raises UsageError where such sequences do not exist."""
    mqar.check(at, vocabulary - 1)


def make(at: Slice, n: int, rng: np.random.Generator, *, vocabulary: int) -> Examples:
    """START, then MQAR one token up with other tokens between the queries, without its last position."""
    made = mqar.make(at, n, rng, vocabulary=vocabulary - 1, fill="other")
    symbols, targets = made.values[:, :-1] + 1, made.targets[:, :-1]
    targets = np.where(targets == NONE, symbols, targets + 1)
    first = ((0, 0), (1, 0))
    return Examples(np.pad(symbols, first, constant_values=START), np.pad(targets, first, constant_values=NONE))

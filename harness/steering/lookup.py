"""Prompt-lookup speculation: what followed the same few tokens before is likely to follow them again.

A pass reads the guesses beside the last token, and only those stay that the model would have chosen itself (greedy):
the answer is the one without guesses, but for rounding, as in batches of other sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

KEY = 3
"""Tokens that must be the same."""
MOST = 8
"""Tokens that are guessed at once."""
STEP = 19
"""Tokens of a prompt that cost as much as a pass that reads none, on a CPU (SmolLM2): reading all weights once."""
GAIN = 1.2
"""Times as many tokens for the same work that guesses must promise."""
TRIED = 8
"""Guesses, half of them right, that each answer is held to have seen before its first."""


class Lookup:
    """What followed each run of `KEY` tokens last, in a prompt and its answer, and how often that was right."""

    def __init__(self, tokens: Sequence[int]):
        self.tokens: list[int] = []
        self._next: dict[tuple[int, ...], int] = {}
        self.tried, self.right = float(TRIED), TRIED / 2
        self.add(tokens)

    def add(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            if len(self.tokens) >= KEY:
                self._next[tuple(self.tokens[-KEY:])] = len(self.tokens)
            self.tokens.append(token)

    def guess(self, most: int) -> list[int]:
        """At most so many tokens that may come next."""
        at = self._next.get(tuple(self.tokens[-KEY:])) if most > 0 else None
        return [] if at is None else self.tokens[at : at + most]

    def told(self, tried: int, right: int) -> None:
        """So many guesses were tried, and so many of them were right."""
        self.tried += tried
        self.right += right

    def hope(self, guesses: int) -> float:
        """How many of the next guesses are right, up to the first that is not."""
        share = self.right / self.tried
        return sum(share**n for n in range(1, guesses + 1))


def worth(lookups: Sequence[Lookup | None], guesses: Sequence[Sequence[int]]) -> int:
    """How many guesses a pass should read in each of its rows, so that tokens cost least; 0 for none.

    All rows take as many columns, so that guesses for a few of many rows do not pay.
    """
    rows = len(guesses)
    live = sum(one is not None for one in lookups)
    best, found = GAIN * live / (STEP + rows), 0
    for width in range(1, max(map(len, guesses), default=0) + 1):
        hoped = sum(one.hope(min(width, len(g))) for one, g in zip(lookups, guesses, strict=True) if one)
        if (rate := (live + hoped) / (STEP + rows * (1 + width))) > best:
            best, found = rate, width
    return found

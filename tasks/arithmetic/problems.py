"""Problems of one template a variant: equal in length, so that positions of two prompts mean the same."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

EACH = 120
"""Most problems of a variant: a draw, where there are more."""


@dataclass(frozen=True)
class Problem:
    """Operands with the answer."""

    operands: tuple[int, ...]
    answer: str
    text: str
    """What stands before the answer, a blank at its end."""


@dataclass(frozen=True)
class Variant:
    """A template, its operands, and the examples that stand before a question."""

    name: str
    template: str
    answer: Callable[[Sequence[int]], int]
    space: Callable[[], Iterator[tuple[int, ...]]]
    """The operands that are drawn from."""
    examples: tuple[tuple[int, ...], ...]
    commutes: bool = False
    """Whether the order of operands makes no other question."""

    def problem(self, operands: tuple[int, ...]) -> Problem:
        return Problem(operands, str(self.answer(operands)), self.template.format(*operands))

    def shown(self, shots: int) -> str:
        """The first examples, one a line."""
        return "".join(f"{p.text}{p.answer}\n" for p in map(self.problem, self.examples[:shots]))

    def problems(self) -> list[Problem]:
        """Those that are asked, in a fixed order; none is an example."""
        found = [o for o in self.space() if o not in self.examples]
        if len(found) > EACH:
            found = sorted(random.Random(f"arithmetic {self.name}").sample(found, EACH))
        return [self.problem(o) for o in found]


def _digits(count: int) -> Iterator[tuple[int, ...]]:
    return itertools.product(range(10), repeat=count)


def _small(count: int) -> Callable[[], Iterator[tuple[int, ...]]]:
    return lambda: (o for o in _digits(count) if sum(o) < 10)


def _mixed() -> Iterator[tuple[int, ...]]:
    rng = random.Random("arithmetic two digits")
    drawn = dict.fromkeys(tuple(rng.randrange(10, 100) for _ in range(3)) for _ in range(4 * EACH))
    return (o for o in drawn if 10 <= o[0] + o[1] - o[2] < 100)


VARIANTS = {
    v.name: v
    for v in (
        Variant(
            "copy", "copy {0} {1} {2} : {0} {1} ", lambda o: o[2], lambda: _digits(3),
            ((4, 0, 7), (2, 9, 5), (8, 1, 6), (3, 3, 0)),
        ),
        Variant("add", "{} + {} = ", sum, _small(2), ((1, 2), (4, 3), (5, 0), (2, 6)), True),
        Variant("add3", "{} + {} + {} = ", sum, _small(3), ((1, 2, 3), (4, 0, 1), (2, 2, 5), (0, 3, 1)), True),
        Variant(
            "mixed", "{} + {} - {} = ", lambda o: o[0] + o[1] - o[2], _mixed,
            ((42, 20, 15), (31, 18, 27), (12, 44, 35), (63, 29, 11)),
        ),
    )
}  # fmt: skip
"""Copying (the ceiling of small models), sums of digits, and the paper's `42 + 20 - 15 = `."""

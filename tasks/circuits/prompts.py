"""Prompts of one template a variant, each with a counterpart that differs in one word and has another answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

EACH = 120
"""Prompts of a variant."""
NAMES = "Mary John Tom James Anna Sarah David Mark Paul Laura Peter Alice Simon Kate Robert Emma".split()  # noqa: SIM905
PLACES = "store park school office station garden house market".split()  # noqa: SIM905
GIFTS = "book ring ball drink cake letter gift key".split()  # noqa: SIM905
THINGS = "pen cup key book ball hat box bag phone plate ring card".split()  # noqa: SIM905
COLOURS = "red blue green black white yellow pink brown purple orange".split()  # noqa: SIM905


@dataclass(frozen=True)
class Prompt:
    """A text that a word completes, and its counterpart, which `other` completes. `wrong`: words of the text that a
    reader could take for the answer."""

    text: str
    answer: str
    counterpart: str
    other: str
    wrong: tuple[str, ...]


def names(rng: random.Random) -> Prompt:
    """Indirect object: the name that is said once."""
    (a, b), place, gift = rng.sample(NAMES, 2), rng.choice(PLACES), rng.choice(GIFTS)
    text = f"Then, {a} and {b} went to the {place}. {{}} gave a {gift} to"
    return Prompt(text.format(b), a, text.format(a), b, (b,))


def colours(rng: random.Random) -> Prompt:
    """Coloured objects: the colour of the one asked about."""
    things, shown = rng.sample(THINGS, 3), rng.sample(COLOURS, 3)
    seen = [f"a {c} {t}" for c, t in zip(shown, things, strict=True)]
    asked, instead = rng.sample(range(3), 2)
    text = f"Q: On the table, I see {seen[0]}, {seen[1]}, and {seen[2]}. What color is the {{}}?\nA:"
    wrong = tuple(c for n, c in enumerate(shown) if n != asked)
    return Prompt(text.format(things[asked]), shown[asked], text.format(things[instead]), shown[instead], wrong)


VARIANTS: dict[str, Callable[[random.Random], Prompt]] = {"names": names, "colours": colours}


def prompts(variant: str) -> list[Prompt]:
    """Those of a variant, always the same ones; the first are worked examples and not asked."""
    rng, found = random.Random(f"circuits {variant}"), dict[str, Prompt]()
    while len(found) < EACH + SHOTS:
        made = VARIANTS[variant](rng)
        found.setdefault(made.text, made)
    return list(found.values())


SHOTS = 4
"""Most worked examples."""

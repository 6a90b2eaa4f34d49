"""Grids of scenes, their captions, and needles in them. A caption holds for one picture of a sequence, or for none."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from harness.embedded.scenes import BY_NAME, Scene, scene
from harness.tasks.mmneedle.scoring import Place

SIDE = 96
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Grid:
    """A stitched image: its name, and what each cell shows, row by row."""

    name: str
    side: int
    cells: tuple[Counts, ...]


def scenes(rng: random.Random, n: int, seeds: range) -> list[Scene]:
    """Scenes of two to four categories, no two of which have the same caption."""
    out: list[Scene] = []
    said: set[str] = set()
    while len(out) < n:
        made = scene(seeds[rng.randrange(len(seeds) // 2)], SIDE, min_objects=2)
        text = caption(made.counts)
        if len(made.counts) <= 4 and text not in said:
            out.append(made)
            said.add(text)
    return out


def stitched(parts: Sequence[Scene], side: int) -> Image.Image:
    """RGB, side * SIDE square."""
    out = Image.new("RGB", (side * SIDE, side * SIDE))
    for i, part in enumerate(parts):
        out.paste(part.picture, ((i % side) * SIDE, (i // side) * SIDE))
    return out


def caption(counts: Counts) -> str:
    """ "A dog and two cars." """
    words = [BY_NAME[c].phrase if n == 1 else f"{NUMBERS[min(n, 9)]} {BY_NAME[c].plural}" for c, n in counts.items()]
    text = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
    return text[0].upper() + text[1:] + "."


def satisfies(shown: Counts, described: Counts) -> bool:
    """Whether a picture that shows this can be described so: at least as many of everything that is named."""
    return all(shown.get(c, 0) >= n for c, n in described.items())


def places(number: int, images: int, side: int, rng: random.Random) -> list[Place]:
    """Balanced over images and over cells (a Latin design), in an order at random."""
    cells = rng.sample(range(side * side), side * side)
    out = []
    for j in range(number):
        cell = cells[(j + j // math.lcm(images, len(cells))) % len(cells)]
        out.append((j % images, cell // side, cell % side))
    return rng.sample(out, number)


def sequence(
    rng: random.Random, pool: Sequence[Grid], images: int, wanted: Sequence[Place] | None, absent: Counts | None
) -> list[Grid] | None:
    """Grids whose captions at the wanted places hold nowhere else; or in which the absent one holds nowhere.

    Places are counted from 0 here. Returns the grids, or None where twenty draws had none.
    """
    for _ in range(20):
        drawn = rng.sample(list(pool), images)
        cells = [(i, k, shown) for i, g in enumerate(drawn) for k, shown in enumerate(g.cells)]
        if absent is not None:
            if not any(satisfies(shown, absent) for _, _, shown in cells):
                return drawn
            continue
        fits = True
        for image, row, column in wanted or ():
            at = row * drawn[image].side + column
            described = drawn[image].cells[at]
            fits &= sum(satisfies(shown, described) for _, _, shown in cells) == 1
        if fits:
            return drawn
    return None

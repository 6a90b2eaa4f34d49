"""What every generator makes, and drawing that they share."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANEL = 120
"""Side of a panel in pixels."""
LETTERS = "ABCDEFGH"
INK = (30, 30, 30)
Points = np.ndarray
"""float (n, 2) or (n, 3)."""
Colour = tuple[int, int, int]


@dataclass
class Item:
    """One question. `info` holds what a solver needs to check the key; it is stored as `other_info`."""

    question: str
    images: list[Image.Image]
    answer: str
    info: dict[str, Any] = field(default_factory=dict)
    kind: str = ""


def paint(rng: random.Random, least: int, most: int) -> Colour:
    """A colour with each channel in least..most."""
    return rng.randint(least, most), rng.randint(least, most), rng.randint(least, most)


def blank(width: int = PANEL, height: int = PANEL) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def text(draw: ImageDraw.ImageDraw, at: tuple[float, float], said: str, size: int = 14) -> None:
    draw.text(at, said, fill=INK, font=ImageFont.load_default(size), anchor="mm")


def row(panels: Sequence[Image.Image], labels: Sequence[str]) -> Image.Image:
    """Panels side by side in frames, each with its label below."""
    side, gap, foot = panels[0].width, 6, 22
    out, draw = blank(len(panels) * (side + gap) + gap, side + 2 * gap + foot)
    for i, (panel, label) in enumerate(zip(panels, labels, strict=True)):
        x = gap + i * (side + gap)
        out.paste(panel, (x, gap))
        draw.rectangle((x, gap, x + side - 1, gap + side - 1), outline=(150, 150, 150))
        text(draw, (x + side / 2, gap + side + foot / 2), label)
    return out


def question_mark() -> Image.Image:
    image, draw = blank()
    text(draw, (PANEL / 2, PANEL / 2), "?", 48)
    return image


def stack(images: Sequence[Image.Image]) -> Image.Image:
    """One below the other."""
    out, _ = blank(max(i.width for i in images), sum(i.height for i in images))
    y = 0
    for image in images:
        out.paste(image, (0, y))
        y += image.height
    return out


def placed(right: Any, wrong: Sequence[Any], rng: random.Random) -> tuple[list[Any], str]:
    """The options with the right one at a place at random, and its letter."""
    at = rng.randrange(len(wrong) + 1)
    options = list(wrong)
    options.insert(at, right)
    return options, LETTERS[at]


def yes_no(key: bool, rng: random.Random) -> tuple[str, str]:
    """ "A. yes B. no" or the other way round, and the right letter."""
    words = ["yes", "no"]
    rng.shuffle(words)
    return f"A. {words[0]}\nB. {words[1]}", LETTERS[words.index("yes" if key else "no")]


def article(noun: str) -> str:
    return "an" if noun[0].lower() in "aeioul" and noun[:2] != "la" else "a"  # an L-block


def difference(a: Image.Image, b: Image.Image) -> float:
    """Share of pixels that differ visibly."""
    apart = np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max(-1)
    return float((apart > 40).mean())

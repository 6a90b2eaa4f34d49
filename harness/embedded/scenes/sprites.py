"""Emoji drawings as square RGBA pictures, from `emoji/atlas.png`: no font is needed (`atlas.py` made it from one)."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import Image

from harness.embedded.scenes.vocabulary import CATEGORIES

ATLAS = Path(__file__).parent / "emoji" / "atlas.png"
CELL, COLUMNS = 128, 8
"""Side in pixels of a drawing's cell, and cells in a row of the atlas; drawings in the order of the vocabulary."""
DRAWINGS = "".join(c.drawings for c in CATEGORIES)

SMALL = 64
"""Side in pixels of the sprites used for the reference grid; larger pictures use the font's own resolution."""


def square(canvas: Image.Image) -> Image.Image:
    """What is drawn on a transparent canvas, cropped and centred in a transparent square."""
    drawn = canvas.crop(canvas.getbbox())
    side = max(drawn.size)
    made = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    made.paste(drawn, ((side - drawn.size[0]) // 2, (side - drawn.size[1]) // 2))
    return made


def font() -> str:
    """SHA-256 of the font file that the atlas was drawn with."""
    return _atlas().info["font"]


@cache
def _atlas() -> Image.Image:
    """The atlas. Raises ValueError where it was made for another vocabulary: its cells would be the wrong drawings."""
    with Image.open(ATLAS) as atlas:
        atlas.load()
    if atlas.info.get("drawings") != DRAWINGS:
        raise ValueError(
            f"{ATLAS.name} holds other drawings than vocabulary.py: python -m harness.embedded.scenes.atlas FONT"
        )
    return atlas


def _cells() -> Iterator[Image.Image]:
    for n in range(len(DRAWINGS)):
        x, y = n % COLUMNS * CELL, n // COLUMNS * CELL
        yield square(_atlas().crop((x, y, x + CELL, y + CELL)))


@cache
def sprites(small: bool) -> tuple[tuple[Image.Image, ...], ...]:
    """All drawings, by category index then drawing index; `small` ones are SMALL pixels wide."""
    cells = _cells()
    drawn = tuple(tuple(next(cells) for _ in c.drawings) for c in CATEGORIES)
    if not small:
        return drawn
    return tuple(tuple(s.resize((SMALL, SMALL), Image.Resampling.BILINEAR) for s in row) for row in drawn)

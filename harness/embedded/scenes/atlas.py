"""Draws `emoji/atlas.png` when the vocabulary grows: `python -m harness.embedded.scenes.atlas NotoColorEmoji.ttf`."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from harness.embedded.scenes.sprites import ATLAS, CELL, COLUMNS, DRAWINGS, square

STRIKE = 109
"""The one bitmap size, in pixels, that the font contains."""


def build(path: Path) -> Image.Image:
    """All drawings of the vocabulary in cells. Raises ValueError for a drawing that the font lacks or that is large."""
    font = ImageFont.truetype(str(path), STRIKE)
    made = Image.new("RGBA", (COLUMNS * CELL, -(-len(DRAWINGS) // COLUMNS) * CELL), (0, 0, 0, 0))
    for n, char in enumerate(DRAWINGS):
        canvas = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
        ImageDraw.Draw(canvas).text((12, 12), char, font=font, embedded_color=True)
        if canvas.getbbox() is None:
            raise ValueError(f"{path.name} has no drawing of {char}")
        drawn = square(canvas)
        if drawn.size[0] > CELL:
            raise ValueError(f"{char} is {drawn.size[0]} pixels wide, over the {CELL} of a cell")
        made.paste(drawn, (n % COLUMNS * CELL, n // COLUMNS * CELL))
    return made


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness.embedded.scenes.atlas", description=__doc__)
    parser.add_argument("font", type=Path, help="the file NotoColorEmoji.ttf")
    parser.add_argument("--out", type=Path, default=ATLAS)
    given = parser.parse_args(words)
    about = PngImagePlugin.PngInfo()
    about.add_text("font", hashlib.sha256(given.font.read_bytes()).hexdigest())
    about.add_itxt("drawings", DRAWINGS)
    about.add_text("Copyright", "Noto Emoji, SIL Open Font License 1.1: see OFL.txt")
    build(given.font).save(given.out, optimize=True, pnginfo=about)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

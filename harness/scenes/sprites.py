"""Emoji drawings as square RGBA pictures. The only place that needs the font."""

import os
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from harness.scenes.vocabulary import CATEGORIES

_FONTS = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
)
_STRIKE = 109
"""The one bitmap size, in pixels, that the font contains."""

SMALL = 64
"""Side in pixels of the sprites used for the reference grid; larger pictures use the font's own resolution."""


class FontMissingError(RuntimeError):
    """Noto Color Emoji is not installed."""


def font_path() -> str:
    """The emoji font's path; HARNESS_EMOJI_FONT overrides the usual places.

    Raises:
        FontMissingError: with the command that installs it.
    """
    for path in (os.environ.get("HARNESS_EMOJI_FONT", ""), *_FONTS):
        if path and Path(path).is_file():
            return path
    raise FontMissingError("Noto Color Emoji not found: run `apt-get install fonts-noto-color-emoji`")


def _draw(char: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One emoji, cropped and centred in a transparent square."""
    canvas = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((12, 12), char, font=font, embedded_color=True)
    drawn = canvas.crop(canvas.getbbox())
    side = max(drawn.size)
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(drawn, ((side - drawn.size[0]) // 2, (side - drawn.size[1]) // 2))
    return square


@cache
def sprites(small: bool) -> tuple[tuple[Image.Image, ...], ...]:
    """All drawings, by category index then drawing index; `small` ones are SMALL pixels wide."""
    font = ImageFont.truetype(font_path(), _STRIKE)
    drawn = tuple(tuple(_draw(char, font) for char in c.drawings) for c in CATEGORIES)
    if not small:
        return drawn
    return tuple(tuple(s.resize((SMALL, SMALL), Image.Resampling.BILINEAR) for s in row) for row in drawn)

"""Boxes that a model writes, and the part of a picture inside them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from harness.core.picture import Picture
from harness.core.types import Message, Request
from harness.tasks.screenspot.parsers import corners

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) as fractions of the sides."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PIXELS = 2.0
"""A value beyond this makes a box one in pixels; fractions a little beyond 1 are clipped."""


def read_box(text: str, size: tuple[int, int]) -> Box | None:
    """A box as the parsers of ScreenSpot read it (`corners`): fractions, per cent, or pixels of `size`; corners in
    order, clipped. None where there is none, or nothing is left inside."""
    values = corners(text)
    if values is None:
        return None
    if max(values) > PIXELS:
        values = [v / s for v, s in zip(values, (*size, *size), strict=True)]
    x0, x1 = sorted(min(max(v, 0.0), 1.0) for v in values[::2])
    y0, y1 = sorted(min(max(v, 0.0), 1.0) for v in values[1::2])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def pixels(box: Box, size: tuple[int, int], least: int = 1) -> tuple[int, int, int, int]:
    """The box in whole pixels (cut off, not rounded), enlarged around its middle to `least` pixels a side where the
    picture has so many."""
    out = []
    for low, high, side in ((box[0], box[2], size[0]), (box[1], box[3], size[1])):
        a, b = int(low * side), int(high * side)
        want = min(max(b - a, least), side)
        a = min(max(0, (a + b - want) // 2 if want > b - a else a), side - want)
        out.append((a, a + want))
    (x0, x1), (y0, y1) = out
    return x0, y0, x1, y1


def crop(picture: Picture, box: tuple[int, int, int, int], resized: tuple[int, int] | None = None) -> Picture:
    """The part of a picture inside a box of pixels; black where the box leaves it."""
    image = picture.load().crop(box)
    return encoded(image.resize(resized, Image.Resampling.BICUBIC) if resized else image)


def encoded(image: Image.Image) -> Picture:
    out = io.BytesIO()
    image.save(out, "PNG")
    return Picture(out.getvalue())


def asked(request: Request) -> str:
    """The text of the last user message."""
    last = next(m for m in reversed(request.messages) if m.role == "user")
    return "\n".join(part for part in last.content if isinstance(part, str))


def with_content(request: Request, content: Sequence[str | Picture]) -> tuple[Message, ...]:
    """The messages with another content of the last user message."""
    last = max(i for i, m in enumerate(request.messages) if m.role == "user")
    return tuple(Message("user", tuple(content)) if i == last else m for i, m in enumerate(request.messages))


def beside(request: Request, part: Picture) -> tuple[Message, ...]:
    """The messages with `part` after each of their pictures."""
    messages = []
    for message in request.messages:
        content: list[str | Picture] = []
        for item in message.content:
            content += [item, part] if isinstance(item, Picture) else [item]
        messages.append(replace(message, content=tuple(content)))
    return tuple(messages)

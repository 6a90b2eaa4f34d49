"""One question as the task understands it, and why a row is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core import Picture
from harness.records import LATER
from harness.tasks.screenspot.parsers import Size
from harness.tasks.screenspot.scoring import Box


class Bad(Exception):
    """Why a row cannot be used."""


@dataclass(frozen=True)
class Question:
    """One row, or what is wrong with it (`fault`).

    `answers` are the right ones as the kind reads them: one for yes or no, a letter or a number, all of an
    annotators' list. `box` is in pixels, or in 0..1 where `normalized` is set. `asked` is the whole prompt, with
    marks where pictures belong.
    """

    id: str
    cluster: str
    group: str = ""
    question: str = ""
    answers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    asked: str = ""
    box: Box | None = None
    normalized: bool = False
    images: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    fault: str = ""
    size: Size = field(default=None, metadata=LATER)
    """Of the picture in pixels, where the row states it (img_size, or image_width and image_height)."""

    @property
    def choices(self) -> dict[str, str]:
        """Letter -> option."""
        return {chr(ord("A") + i): text for i, text in enumerate(self.options)}

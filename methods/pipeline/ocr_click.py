"""Reads the screenshot and clicks the text that the instruction names: a baseline without any language model."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from harness.core.errors import Missing
from harness.core.method import Pipeline
from harness.core.picture import Picture
from harness.core.types import Mark, Reply, Request, Step
from harness.methods._shared.crops import Box, asked

KEPT = 64
"""Screenshots whose words are remembered: several instructions are about one."""


@dataclass(frozen=True)
class Word:
    """One line of text on a screenshot, and where it stands."""

    text: str
    box: Box


class OcrClick(Pipeline):
    """Clicks the middle of the line that is most like the instruction. The model is never asked."""

    name = "ocr_click"

    def __init__(self, least: float):
        """`least`: likeness (0 to 1) below which nothing is clicked and the answer is empty; above 1 the model answers.

        Raises Missing at the first screenshot where RapidOCR is not installed.
        """
        self.least = least
        self._read: dict[str, list[Word]] = {}

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if len(request.pictures) != 1 or self.least > 1:
            return (yield request)
        picture, instruction = request.pictures[0], asked(request)
        words = self._words(picture)
        likeness, chosen = max(((alike(w.text, instruction), -i) for i, w in enumerate(words)), default=(0.0, 0))
        clicks = bool(words) and likeness >= self.least
        measures = {"lines": float(len(words)), "clicked": float(clicks)}
        if not clicks:
            step = Step("finds no such text", f"{len(words)} lines were read", picture)
            return Reply("", measures=measures, steps=(step,))
        word = words[-chosen]
        x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
        step = Step(f"clicks {word.text!r}", f"likeness {likeness:.2f}", picture, (Mark(word.text, box=word.box),))
        return Reply(f"({x:.4f}, {y:.4f})", measures=measures, steps=(step,))

    def _words(self, picture: Picture) -> list[Word]:
        if picture.digest not in self._read:
            while len(self._read) >= KEPT:
                self._read.pop(next(iter(self._read)))
            self._read[picture.digest] = read(picture)
        return self._read[picture.digest]


def alike(text: str, instruction: str) -> float:
    """How well a line's text occurs in an instruction: the share of it that matches, longer ones first among equals."""
    a, b = (re.sub(r"\W+", " ", t.lower()).strip() for t in (text, instruction))
    if len(a) < 2:
        return 0.0
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    longest = max(block.size for block in blocks)
    return longest / len(a) * (1 - 0.1 / len(a))


def read(picture: Picture) -> list[Word]:
    """The lines of text on a picture, by RapidOCR's small models on the CPU. Raises Missing without the package."""
    import numpy as np

    image = picture.load()
    found = _engine()(np.asarray(image)[..., ::-1])  # it takes BGR
    boxes, texts = getattr(found, "boxes", None), getattr(found, "txts", None)
    if boxes is None or texts is None:
        return []
    out = []
    for corners, text in zip(boxes, texts, strict=True):
        xs, ys = [float(p[0]) / image.width for p in corners], [float(p[1]) / image.height for p in corners]
        out.append(Word(str(text), (min(xs), min(ys), max(xs), max(ys))))
    return out


@cache
def _engine() -> Any:
    try:
        from rapidocr import RapidOCR  # pyright: ignore[reportMissingImports]
    except ImportError as e:
        raise Missing("method=ocr_click reads screenshots with RapidOCR: pip install 'harness[ocr]'") from e
    return RapidOCR(params={"Global.log_level": "critical"})

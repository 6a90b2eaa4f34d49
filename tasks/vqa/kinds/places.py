"""Boxes (IoU) and points (inside a box), read by ScreenSpot's parsers. Boxes are x0, y0, x1, y1 in pixels."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from harness.core import Mark, Outcome, Score, Unusable
from harness.tasks.screenspot.parsers import EITHER, PARSERS, Point, Size, corners, written
from harness.tasks.screenspot.scoring import Box, hit
from harness.tasks.screenspot.task import pixels
from harness.tasks.vqa.kinds.kind import Kind, outcome
from harness.tasks.vqa.record import Question

UNIT = (1, 1)
Numbers = TypeVar("Numbers", Box, Point)
ENOUGH = 0.5
"""IoU from which on a box is right."""


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0 to 1; corners of either box may be given in any order."""
    (a0, a1, a2, a3), (b0, b1, b2, b3) = ordered(a), ordered(b)
    both = max(0.0, min(a2, b2) - max(a0, b0)) * max(0.0, min(a3, b3) - max(a1, b1))
    whole = (a2 - a0) * (a3 - a1) + (b2 - b0) * (b3 - b1) - both
    return both / whole if whole > 0 else 0.0


def ordered(box: Sequence[float]) -> Box:
    """The same box with its upper left corner first."""
    return min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])


def _by(over: float | None) -> Callable[[list[float], Size], Box | None]:
    """Corners as parts of a side (of `over`), or in pixels (None)."""

    def read(numbers: list[float], size: Size) -> Box | None:
        if over is None:
            return ordered(numbers)
        if size is None:
            return None
        return ordered([n / over * size[i % 2] for i, n in enumerate(numbers)])

    return read


def _either(numbers: list[float], size: Size) -> Box | None:
    """Fractions, or pixels where a number is above 1."""
    return _by(None if max(numbers) > 1 else 1.0)(numbers, size)


SPACES: dict[str, Callable[[list[float], Size], Box | None]] = {
    "point_or_box": _either,
    "normalized": _by(1.0),
    "thousand": _by(1000.0),
    "pixel": _by(None),
}
"""The coordinate spaces of boxes, by the names of ScreenSpot's parsers."""


def size_of(record: Question) -> Size:
    """Of the picture; None where it is not at hand."""
    try:
        return record.pictures[0].size if record.pictures else None
    except Unusable:
        return None


def goal(record: Question, size: Size) -> Box:
    """The right box in pixels; in 0..1 as if the picture were one pixel where neither is at hand. Raises Unusable."""
    assert record.box
    return pixels(record.box, record.normalized, size)


def _part(numbers: Numbers, size: tuple[int, int]) -> Numbers:
    """Pixels as parts of the sides."""
    made: Any = tuple(n / size[i % 2] for i, n in enumerate(numbers))
    return made


class _Place(Kind):
    answered = False
    prompt = "{hint}{question}"

    def target(self, record: Question) -> Any:
        return list(record.box) if record.box else None

    def _size(self, record: Question) -> Size:
        """Of the picture: its own, or what the row states; None where boxes and answers are both in pixels, 1 x 1 where
        both are fractions: they need none. Raises Unusable where it is needed and neither is at hand."""
        if size := size_of(record) or record.size:
            return size
        if self.how.parser == "pixel" and not record.normalized:
            return None
        if record.normalized and self.how.parser != "pixel":
            return UNIT
        raise Unusable(f"the size of {', '.join(record.images)[:200] or 'the picture'} is needed, and it is not here")

    def _checked(self, record: Question, size: Size, read: Numbers | None) -> Numbers | None:
        """What was read. Raises Unusable for pixels of a picture whose size is not known."""
        if size is UNIT and self.how.parser in EITHER and read and max(read) > 1:
            raise Unusable(f"the answer is in pixels, and the size of {', '.join(record.images)[:200]} is not known")
        return read

    def _marks(self, record: Question, *said: Box | Point | None) -> list[Mark]:
        """The right box, and a box or a point of an answer, as parts of the picture's sides."""
        size = size_of(record)
        if size is None or record.box is None:
            return []
        right = goal(record, size)
        out = [Mark("target", "target", box=_part(right, size))]
        for one in filter(None, said):
            if len(one) == 2:
                out.append(Mark("point", "right" if hit(one, right) else "wrong", point=_part(one, size)))
            else:
                out.append(Mark("answer", "right" if iou(one, right) >= ENOUGH else "wrong", box=_part(one, size)))
        return out

    def _fractions(self, record: Question, *numbers: float) -> list[float]:
        """Pixels as the parser wants them."""
        size = self._size(record)
        return (
            list(numbers)
            if self.how.parser == "pixel" or size is None
            else [n / size[i % 2] for i, n in enumerate(numbers)]
        )


class BoxKind(_Place):
    name = "box"
    parsers = tuple(SPACES)
    primary = "acc@0.5"
    prompt = (
        "{hint}{question}\nAnswer with the bounding box as [x0, y0, x1, y1], each a fraction of the picture's side."
    )
    scores = (Score("acc@0.5", primary=True), Score("iou"), Score("unparsed", higher_is_better=False))

    def score(self, record: Question, answer: str) -> Outcome:
        size = self._size(record)
        right, read = goal(record, size), self._checked(record, size, self._read(answer, size))
        found = iou(read, right) if read else 0.0
        scores = {"acc@0.5": float(found >= ENOUGH), "iou": found, "unparsed": float(read is None)}
        verdict = ", ".join(f"{n:.1f}" for n in read) if read else None
        return outcome(record, answer, scores, verdict, box=list(right))

    def _read(self, answer: str, size: Size) -> Box | None:
        numbers = corners(answer)
        return SPACES[self.how.parser](numbers, size) if numbers else None

    def marks(self, record: Question, answer: str | None) -> Sequence[Mark]:
        return self._marks(record, None if answer is None else self._read(answer, size_of(record)))

    def oracle(self, record: Question) -> str:
        return self._said(record, goal(record, self._size(record)))

    def chance(self, record: Question, rng: random.Random) -> str:
        """Two corners at random."""
        width, height = self._size(record) or (1, 1)
        return self._said(record, ordered([rng.random() * side for side in (width, height) * 2]))

    def _said(self, record: Question, box: Box) -> str:
        over = 1000 if self.how.parser == "thousand" else 1
        return f"[{', '.join(f'{over * n:.4f}' for n in self._fractions(record, *box))}]"


class PointKind(_Place):
    name = "point"
    parsers = tuple(PARSERS)
    prompt = "{hint}{question}\nAnswer with one point as [x, y], each a fraction of the picture's side."
    scores = (
        Score("correct", primary=True),
        Score("unparsed", higher_is_better=False),
        Score("outside", higher_is_better=False),
    )

    def score(self, record: Question, answer: str) -> Outcome:
        size = self._size(record)
        right = goal(record, size)
        read = PARSERS[self.how.parser](answer, size)
        self._checked(record, size, read.point)
        scores = {
            "correct": float(hit(read.point, right)),
            "unparsed": float(read.form == "none"),
            "outside": float(read.outside(size)),
        }
        verdict = f"{read.point[0]:.1f}, {read.point[1]:.1f}" if read.point else None
        return outcome(record, answer, scores, verdict, box=list(right), format=read.form)

    def marks(self, record: Question, answer: str | None) -> Sequence[Mark]:
        read = None if answer is None else PARSERS[self.how.parser](answer, size_of(record)).point
        return self._marks(record, read)

    def oracle(self, record: Question) -> str:
        x0, y0, x1, y1 = goal(record, self._size(record))
        return self._said(record, (x0 + x1) / 2, (y0 + y1) / 2)

    def chance(self, record: Question, rng: random.Random) -> str:
        """A uniform click."""
        width, height = self._size(record) or (1, 1)
        return self._said(record, rng.random() * width, rng.random() * height)

    def _said(self, record: Question, x: float, y: float) -> str:
        x, y = self._fractions(record, x, y)
        return written(x, y, self.how.parser)

"""ScreenSpot as a task: one instruction about one screenshot is one sample, one request and one point."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from harness.core import Mark, Outcome, Picture, Request, Sample, Unusable
from harness.records import RecordTask, Source
from harness.tasks.screenspot.parsers import EITHER, PARSERS, Size, written
from harness.tasks.screenspot.scoring import SCORES, Box, aggregate, hit
from harness.tasks.screenspot.settings import PROMPTS, Settings
from harness.tasks.screenspot.sources import Target, load

UNIT = (1, 1)


class ScreenSpot(RecordTask[Settings, Target]):
    """The group is platform_kind, the cluster the screenshot, the target the box."""

    name = "screenspot"
    Settings = Settings
    scores = SCORES
    summary = aggregate

    def load(self) -> Source[Target]:
        return load(self.settings)

    def sample(self, record: Target) -> Sample:
        target = None if record.fault else list(record.box)
        return Sample(record.id, record.cluster, record.cell, target, {"image": record.image})

    @property
    def wording(self) -> str:
        return PROMPTS.get(self.settings.prompt, self.settings.prompt)

    def prompt(self, record: Target) -> Sequence[str | Picture]:
        assert record.picture
        return record.picture, self.wording.replace("{}", record.instruction)

    def score(self, record: Target, answer: str) -> Outcome:
        size = self._size(record)
        box = pixels(record.box, record.normalized, size)
        read = PARSERS[self.settings.parser](answer, size)
        if size is UNIT and self.settings.parser in EITHER and read.point and max(read.point) > 1:
            raise Unusable(f"the answer is in pixels, and the size of {record.image[:200]} is not known")
        scores = {
            "hit": float(hit(read.point, box)),
            "unparsed": float(read.form == "none"),
            "outside": float(read.outside(size)),
        }
        details: dict[str, Any] = {"question": record.instruction, "image": record.image, "box": list(box)}
        details |= {"format": read.form, "numbers": read.numbers}
        if size is not None:
            area = (box[2] - box[0]) * (box[3] - box[1]) / (size[0] * size[1])
            details |= {"random_click": area, "centre_click": float(hit((size[0] / 2, size[1] / 2), box))}
        verdict = f"{read.point[0]:.1f}, {read.point[1]:.1f}" if read.point else None
        return Outcome(answer, scores, verdict, details)

    def _size(self, record: Target) -> Size:
        """Size of the screenshot: its own, or what the row states. None where neither is at hand and answers and boxes
        are both in pixels, which need no size; 1 x 1 where both are fractions, for which any size does."""
        assert record.picture
        try:
            return record.picture.size
        except Unusable:
            pixels = self.settings.parser == "pixel"
            if record.size or pixels != record.normalized:
                return record.size or (None if pixels else UNIT)
            raise

    def marks(self, sample: Sample, outcome: Outcome | None = None) -> Sequence[Mark]:
        """The target's box, and where the answer clicks."""
        record: Target | None = sample.data.get("record")
        size = self._size(record) if record else None
        if record is None or size is None:
            return ()
        (x0, y0, x1, y1), (w, h) = pixels(record.box, record.normalized, size), size
        found = [Mark("target", "target", box=(x0 / w, y0 / h, x1 / w, y1 / h))]
        read = PARSERS[self.settings.parser](outcome.answer, size) if outcome else None
        if read and read.point:
            right = hit(read.point, (x0, y0, x1, y1))
            found.append(Mark("click", "right" if right else "wrong", point=(read.point[0] / w, read.point[1] / h)))
        return found

    def oracle(self, sample: Sample, request: Request) -> str:
        """A click into the middle of the box, in the coordinate space that the parser reads."""
        x0, y0, x1, y1 = sample.target
        return self._said((x0 + x1) / 2, (y0 + y1) / 2, sample.data["record"])

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A uniform click."""
        record: Target = sample.data["record"]
        width, height = (1, 1) if record.normalized else self._size(record) or (1, 1)
        return self._said(rng.random() * width, rng.random() * height, record)

    def _said(self, x: float, y: float, record: Target) -> str:
        parser, size = self.settings.parser, self._size(record)
        if not record.normalized and parser != "pixel" and size:
            x, y = x / size[0], y / size[1]
        if record.normalized and parser == "pixel" and size:
            x, y = x * size[0], y * size[1]
        return written(x, y, parser)

    def examples(self, each: int) -> Iterator[tuple[Request, str, str]]:
        from harness.tasks.screenspot.examples import examples

        return examples(self, each)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "prompt": self.wording}


def pixels(box: Box, normalized: bool, size: Size) -> Box:
    """A target in pixels. Raises Unusable for a box that leaves the screenshot by more than a pixel."""
    x0, y0, x1, y1 = box
    if normalized:
        if size is None:
            raise Unusable("the screenshot is needed to place a normalised box")
        x0, x1, y0, y1 = x0 * size[0], x1 * size[0], y0 * size[1], y1 * size[1]
    if size is not None and (x1 > size[0] + 1 or y1 > size[1] + 1):
        raise Unusable(f"box {[x0, y0, x1, y1]} leaves the screenshot of {size[0]} x {size[1]} pixels: see task.bbox")
    return x0, y0, x1, y1

"""The middle of the picture beside the picture: what a crop is worth that nobody chose."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.types import Mark, Reply, Request, Step
from harness.methods._shared.crops import beside, crop, pixels


class CropCenter(Pipeline):
    """Baseline of methods that let the model choose a crop."""

    name = "crop_center"

    def __init__(self, share: float):
        """`share`: of each side that the crop covers; 1 for no crop."""
        if not 0 < share <= 1:
            raise UsageError(f"method.{self.name}.share={share} must lie in (0, 1]")
        self.share = share

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if len(request.pictures) != 1 or self.share == 1:
            return (yield request)
        picture, edge = request.pictures[0], (1 - self.share) / 2
        box = (edge, edge, 1 - edge, 1 - edge)
        part = crop(picture, pixels(box, picture.size))
        reply = yield replace(request, messages=beside(request, part))
        seen = Step("looks at the middle", "", picture, (Mark("crop", "other", box=box),))
        return replace(reply, steps=(seen,))

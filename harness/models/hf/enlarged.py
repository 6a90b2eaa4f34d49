"""Pictures at a multiple of the size that a checkpoint's processor makes of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor

from harness.core.errors import UsageError
from harness.core.types import Request

KEPT = 16
"""Results that are kept: questions about one picture come in a row."""


class Enlarged:
    """Calls a processor with its sizes multiplied."""

    def __init__(self, processor: Any):
        self.image = getattr(processor, "image_processor", None)
        self._kept: OrderedDict[tuple[tuple[str, ...], float], Tensor] = OrderedDict()

    def __call__(self, request: Request, factor: float) -> Tensor:
        """Pixels [pictures, 3, H, W]. Raises UsageError where the processor has no one size."""
        key = tuple(p.digest for p in request.pictures), factor
        if key not in self._kept:
            sizes = {n: _times(getattr(self.image, n, None), factor) for n in ("size", "crop_size")}
            if self.image is None or not sizes["size"]:
                raise UsageError(f"{type(self.image).__name__} has no one size of pictures that could be enlarged")
            given = {n: size for n, size in sizes.items() if size}
            pictures = [p.load() for p in request.pictures]
            self._kept[key] = self.image(images=pictures, return_tensors="pt", **given)["pixel_values"]
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _times(size: Any, factor: float) -> dict[str, int] | None:
    """A processor's size (of height and width, or of the shortest edge), multiplied."""
    try:
        sides = {k: v for k in ("height", "width", "shortest_edge") if (v := size[k])}
    except (TypeError, KeyError):
        sides = {k: v for k in ("height", "width", "shortest_edge") if (v := getattr(size, k, None))}
    return {k: round(v * factor) for k, v in sides.items()} or None

"""What a probe read of one answer: a number, a curve over layers or tokens, an array, a map over the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

AXES = ("layer", "head", "step", "row", "column", "unit")
"""What an array of a reading may be counted by: decoder layers, query heads, new tokens, the grid of image tokens, and
`unit` for anything else."""
COUNT, RATE = (0.0, math.inf), (0.0, 1.0)
"""`Reading.within` of what cannot be below zero, and of shares and probabilities."""
KEEP = 64
"""Samples whose full arrays are kept, by default (`probe.keep`)."""
FEW = 64
"""Numbers on the axis `unit` that every sample keeps."""
KEPT_BITS = 13
"""Bits of a float32's fraction that are cleared: what is left has the precision of a float16, and packs as one."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One named reading of one sample.

    Args:
        values: A number, or an array with one axis for each of `axes`. NaN: undefined there.
        axes: Of `AXES`, in order; none for a number.
        box: Of a map: the part of the picture that it covers, (x0, y0, x1, y1) in 0..1.
        within: The least and the largest that a value can be; intervals end there.

    Raises ValueError where they do not fit together.
    """

    values: Any
    axes: tuple[str, ...] = ()
    box: tuple[float, float, float, float] | None = None
    within: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        import numpy as np

        values = np.asarray(self.values, np.float32)
        if unknown := [a for a in self.axes if a not in AXES]:
            raise ValueError(f"a reading has the unknown axis {unknown[0]}: use {', '.join(AXES)}")
        if values.ndim != len(self.axes):
            raise ValueError(f"a reading of shape {values.shape} has the axes {', '.join(self.axes) or '(none)'}")
        object.__setattr__(self, "values", values)

    @property
    def small(self) -> bool:
        """Whether every sample keeps it: a number, one number a layer, or few enough of anything else."""
        return set(self.axes) <= {"layer"} or (self.axes == ("unit",) and self.values.size <= FEW)

    @property
    def value(self) -> float:
        """The number, or the mean over the array where it is defined; NaN where it is nowhere."""
        import numpy as np

        defined = self.values[np.isfinite(self.values)]
        return float(defined.mean(dtype=np.float64)) if defined.size else float("nan")

    def packed(self) -> np.ndarray:
        """The values, flat, as they are stored: small readings as they are, arrays with the precision of float16."""
        import numpy as np

        flat = np.ascontiguousarray(self.values).reshape(-1)
        if self.small:
            return flat
        bits = flat.view(np.uint32)
        half = np.uint32(1 << (KEPT_BITS - 1))
        rounded = ((bits + half) & ~np.uint32((1 << KEPT_BITS) - 1)).view(np.float32)
        return np.where(np.isfinite(flat), rounded, flat).astype(np.float32)

"""Many comparisons at once."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values (Holm 1979), in the order given: reject where they are at most alpha."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    out, worst = [1.0] * len(p), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - rank) * p[i]))
        out[i] = worst
    return out


def holm_of_tested(p: Sequence[float | None]) -> list[float | None]:
    """`holm` over the p values that there are: what could not be tested (None or NaN) stays None, and corrects none."""
    at = [i for i, x in enumerate(p) if x is not None and not math.isnan(x)]
    known = dict(zip(at, holm([p[i] or 0.0 for i in at]), strict=True))
    return [known.get(i) for i in range(len(p))]

"""Maps of attention read as maps of fixations: where they hit boxes, and in which order they visit a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in 0..1 of the picture."""
RADIUS = 1.5
"""Of the disc around a fixation that is not looked at again, in cells."""


def cells(boxes: Sequence[Box], shape: tuple[int, ...], seen: Box) -> np.ndarray:
    """Which cells of the grid lie in a box by their centre, and the one at each box's own centre, bool."""
    (rows, columns), (x0, y0, x1, y1) = shape, seen
    y, x = np.mgrid[0:rows, 0:columns]
    y, x = y0 + (y1 - y0) * (y + 0.5) / rows, x0 + (x1 - x0) * (x + 0.5) / columns
    inside = np.zeros(shape, bool)
    for a, b, c, d in boxes:
        inside |= (x >= a) & (x <= c) & (y >= b) & (y <= d)
        row, column = ((b + d) / 2 - y0) / (y1 - y0) * rows, ((a + c) / 2 - x0) / (x1 - x0) * columns
        inside[int(np.clip(row, 0, rows - 1)), int(np.clip(column, 0, columns - 1))] = True
    return inside


def scores(map_: np.ndarray, inside: np.ndarray) -> tuple[float, float, float]:
    """Whether the strongest cell is inside; the chance that one inside is above one outside (ties: half); the mean
    inside in standard deviations above the mean, 0 of a flat map. NaN where all cells are inside."""
    pointing = float(inside.flat[map_.argmax()])
    if inside.all():
        return pointing, np.nan, np.nan
    gap, spread = map_[inside][:, None] - map_[~inside], map_.std()
    nss = (map_[inside].mean() - map_.mean()) / spread if spread > 0 else 0.0
    return pointing, float((gap > 0).mean() + (gap == 0).mean() / 2), float(nss)


def fixations(map_: np.ndarray) -> list[tuple[int, int]]:
    """Winner-take-all with inhibition of return: the strongest cell far from all before, then the others."""
    order = [divmod(int(n), map_.shape[1]) for n in np.argsort(-map_, axis=None, kind="stable")]
    out: list[tuple[int, int]] = []
    for y, x in order:
        if all((y - a) ** 2 + (x - b) ** 2 > RADIUS**2 for a, b in out):
            out.append((y, x))
    return out + [at for at in order if at not in out]

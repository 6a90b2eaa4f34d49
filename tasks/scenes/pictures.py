"""Generated pictures as patches, with what each patch and the picture show; large numbers are drawn once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.core.files import cache_folder
from harness.core.series import Examples
from harness.embedded.scenes import GRID, NAMES
from harness.embedded.tiny_llava import cache
from harness.embedded.tiny_llava.cache import PATCH, PATCHES, encode

SIDE = GRID // PATCH
WIDTH = 3 * PATCH**2
CLASSES = len(NAMES) + 1
"""What a patch shows: a category, or none."""
MEAN, STD = 0.5, 0.25
KEPT = 2000
"""From so many pictures on they are drawn into the cache folder."""


def patches(pixels: np.ndarray) -> np.ndarray:
    """uint8 [n, 96, 96, 3] -> normalised float32 [n, 64, 432], patches in raster order."""
    n = len(pixels)
    cut = pixels.reshape(n, SIDE, PATCH, SIDE, PATCH, 3).transpose(0, 1, 3, 2, 4, 5).reshape(n, PATCHES, WIDTH)
    return (cut.astype(np.float32) / 255 - MEAN) / STD


def labels(instances: np.ndarray) -> np.ndarray:
    """bool [n, 67] of `SceneArrays.instances` [n, slots, 6]: which categories are visible."""
    found = np.zeros((len(instances), len(NAMES) + 1), bool)
    np.put_along_axis(found, instances[..., 0].astype(int), True, 1)  # empty slots are -1: the last column
    return found[:, : len(NAMES)]


@dataclass(frozen=True)
class Pictures:
    """The pictures of a range of seeds."""

    seeds: range

    @cached_property
    def arrays(self) -> cache.SceneArrays:
        """Drawn on first use: in memory where they are few, else in the cache folder."""
        if len(self.seeds) < KEPT:
            return cache.SceneArrays(*(np.stack(rows) for rows in zip(*map(encode, self.seeds), strict=True)))
        generator = hashlib.sha256(bytes(encode(self.seeds[0])[0])).hexdigest()[:8]  # another one draws another picture
        folder = cache_folder() / "scenes" / f"{self.seeds.start}-{len(self.seeds)}-{generator}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            cache.build(folder, self.seeds, workers=len(os.sched_getaffinity(0)))
        return cache.load(folder)

    def examples(self, rows: np.ndarray | None = None, flip: np.ndarray | None = None) -> Examples:
        """Patches, what each shows, and labels. `flip`: which of the rows are seen in a mirror."""
        a = self.arrays
        rows = np.arange(len(a)) if rows is None else rows
        pixels, shown = a.pixels[rows], a.patch_class[rows].reshape(-1, SIDE, SIDE)
        if flip is not None:
            pixels = np.where(flip[:, None, None, None], pixels[:, :, ::-1], pixels)
            shown = np.where(flip[:, None, None], shown[:, :, ::-1], shown)
        return Examples(patches(pixels), shown.reshape(-1, PATCHES).astype(np.int64), labels(a.instances[rows]))

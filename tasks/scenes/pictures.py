"""Generated pictures as patches, with what each patch and the picture show; large numbers are drawn once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from harness.core.files import cache_folder
from harness.core.series import Examples
from harness.embedded.scenes import NAMES
from harness.embedded.tiny_llava import cache
from harness.embedded.tiny_llava.cache import PATCH, encode

CLASSES = len(NAMES) + 1
"""What a patch shows: a category, or none."""
WIDTH = 3 * PATCH**2
KEPT = 2000
"""From so many pictures on they are drawn into the cache folder."""


def labels(instances: np.ndarray) -> np.ndarray:
    """bool [n, 67] of `SceneArrays.instances` [n, slots, 6]: which categories are visible."""
    found = np.zeros((len(instances), len(NAMES) + 1), bool)
    np.put_along_axis(found, instances[..., 0].astype(int), True, 1)  # empty slots are -1: the last column
    return found[:, : len(NAMES)]


@lru_cache(maxsize=4)
def few(seeds: range) -> cache.SceneArrays:
    """Drawn in memory, and remembered: a run asks for its samples more than once."""
    return cache.SceneArrays(*(np.stack(rows) for rows in zip(*map(encode, seeds), strict=True)))


@dataclass(frozen=True)
class Pictures:
    """The pictures of a range of seeds."""

    seeds: range

    @cached_property
    def arrays(self) -> cache.SceneArrays:
        """Drawn on first use: in memory where they are few, else in the cache folder."""
        if len(self.seeds) < KEPT:
            return few(self.seeds)
        generator = hashlib.sha256(bytes(encode(self.seeds[0])[0])).hexdigest()[:8]  # another one draws another picture
        folder = cache_folder() / "scenes" / f"{self.seeds.start}-{len(self.seeds)}-{generator}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            cache.build(folder, self.seeds, workers=len(os.sched_getaffinity(0)))
        return cache.load(folder)

    @cached_property
    def labels(self) -> np.ndarray:
        """bool [n, 67]: which categories each picture shows."""
        return labels(self.arrays.instances)

    @property
    def examples(self) -> Examples:
        """Pixels, what each patch shows, and labels."""
        return Examples(self.arrays.pixels, self.arrays.patch_class, self.labels)

    @property
    def values(self) -> np.ndarray:
        """Patches float32 [n, 64, 432], as towers read them."""
        import torch

        from harness.zoo.towers.pictures import patches

        return patches(torch.from_numpy(np.array(self.arrays.pixels))).numpy()

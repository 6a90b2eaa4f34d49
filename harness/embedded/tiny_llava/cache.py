"""Training scenes drawn once, kept as memory-mapped arrays that all training processes share."""

import argparse
import time
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image

from harness.embedded.scenes import BY_NAME, GRID, NAMES, SCENE_TYPES, TRAINING, scene

PATCH = 12
PATCHES = (GRID // PATCH) ** 2
BACKGROUND = len(NAMES)
SLOTS = 14
CHUNK = 1000
_MIN_PATCH_PIXELS = 25  # of 144: fewer say nothing about the object

_ARRAYS = {
    "pixels": (np.uint8, (GRID, GRID, 3)),
    "patch_class": (np.uint8, (PATCHES,)),
    "patch_box": (np.float16, (PATCHES, 4)),
    "instances": (np.float32, (SLOTS, 6)),
    "kind": (np.uint8, ()),
}


@dataclass(frozen=True)
class SceneArrays:
    """n scenes.

    `pixels` uint8 (n, 96, 96, 3); `patch_class` uint8 (n, 64), category index or BACKGROUND;
    `patch_box` float16 (n, 64, 4): centre x, centre y, width, height in 0..1 of the patch's object;
    `instances` float32 (n, SLOTS, 6): category or -1, centre x, y, width, height, visible pixels;
    `kind` uint8 (n,): index into SCENE_TYPES.
    """

    pixels: np.ndarray
    patch_class: np.ndarray
    patch_box: np.ndarray
    instances: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)


def encode(seed: int) -> tuple[np.ndarray | np.uint8, ...]:
    """One scene in the order of SceneArrays' fields. Every sixth picture is drawn large and shrunk, as the
    processor shrinks evaluation pictures."""
    large = seed % 6 == 0
    s = scene(seed, 288 if large else GRID)
    pixels = s.pixels
    if large:
        pixels = np.asarray(s.picture.resize((GRID, GRID), Image.Resampling.BICUBIC))
    table = np.full((SLOTS, 6), -1, np.float32)
    for k, i in enumerate(s.instances[:SLOTS]):
        x0, y0, x1, y1 = i.box
        table[k] = (BY_NAME[i.category].index, (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, i.visible)
    side = GRID // PATCH
    owners = s.owner.reshape(side, PATCH, side, PATCH).transpose(0, 2, 1, 3).reshape(PATCHES, -1)
    seen = np.stack([(owners == k).sum(1) for k in range(len(s.instances))], 1)
    best = seen.argmax(1)
    shown = (seen.max(1) >= _MIN_PATCH_PIXELS) & (best < SLOTS)
    patch_class = np.where(shown, table[np.minimum(best, SLOTS - 1), 0], BACKGROUND).astype(np.uint8)
    patch_box = np.where(shown[:, None], table[np.minimum(best, SLOTS - 1), 1:5], 0).astype(np.float16)
    kind = next(n for n, t in enumerate(SCENE_TYPES) if t.name == s.kind)
    return pixels, patch_class, patch_box, table, np.uint8(kind)


def build(directory: Path, seeds: range, workers: int = 2) -> None:
    """Draw `seeds` into `directory`; continues where an interrupted call stopped. One worker draws in this process."""
    directory.mkdir(parents=True, exist_ok=True)
    done_file = directory / "done"
    done = int(done_file.read_text()) if done_file.exists() else 0
    arrays = {}
    for name, (dtype, shape) in _ARRAYS.items():
        file = directory / f"{name}.npy"
        arrays[name] = open_memmap(file, "r+") if done else open_memmap(file, "w+", dtype, (len(seeds), *shape))
    start = time.monotonic()
    with Pool(workers) if workers > 1 else nullcontext() as pool:
        for first in range(done, len(seeds), CHUNK):
            part = seeds[first : first + CHUNK]
            rows = pool.imap(encode, part, chunksize=25) if pool else map(encode, part)
            for n, row in enumerate(rows):
                for array, value in zip(arrays.values(), row, strict=True):
                    array[first + n] = value
            drawn = min(first + CHUNK, len(seeds))
            for array in arrays.values():
                array.flush()
            temporary = directory / "done.tmp"
            temporary.write_text(str(drawn))
            temporary.replace(done_file)
            print(f"{drawn} scenes, {(drawn - done) / (time.monotonic() - start):.0f}/s", flush=True)


def load(directory: Path) -> SceneArrays:
    """The scenes drawn so far, memory-mapped."""
    done = int((directory / "done").read_text())
    return SceneArrays(*(np.load(directory / f"{name}.npy", mmap_mode="r")[:done] for name in _ARRAYS))


def main() -> None:
    """python -m harness.embedded.tiny_llava.cache --out DIR --scenes N."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    build(args.out, TRAINING[: args.scenes], args.workers)


if __name__ == "__main__":
    main()

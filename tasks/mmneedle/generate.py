"""Build the embedded records: python -m harness.tasks.mmneedle.generate [--check] [--out DIR]."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.embedded.scenes import EVALUATION
from harness.records.generate import generator
from harness.tasks.mmneedle.grids import Grid, caption, places, scenes, sequence, stitched

POOLS = {1: 40, 2: 40, 4: 24, 8: 12}
"""Stitched images by the side of their grid."""
SETTINGS = ((1, 2, 1), (1, 4, 1), (1, 8, 1), (10, 1, 1), (10, 2, 1), (10, 4, 1), (1, 4, 2), (10, 2, 2))
"""Images, side, needles."""
HALF = 20
"""Searches with a needle in a setting, and as many without."""


def build() -> dict[str, pa.Table]:
    """The tables `records` and `images`."""
    pools: dict[int, list[Grid]] = {}
    images = []
    for side, number in POOLS.items():
        rng = random.Random(f"mmneedle pool {side}")
        pools[side] = []
        for i in range(number):
            parts = scenes(rng, side * side, EVALUATION)
            name = f"stitched_{side}_{side}_{i:02d}.webp"
            pools[side].append(Grid(name, side, tuple(p.counts for p in parts)))
            file = io.BytesIO()
            stitched(parts, side).save(file, "WEBP", quality=82, method=6)
            images.append({"image": name, "bytes": file.getvalue()})
    records: list[dict[str, Any]] = []
    for setting in SETTINGS:
        records += searches(pools[setting[1]], *setting)
    kinds = pa.schema([("image", pa.string()), ("bytes", pa.binary())])
    return {"records": pa.Table.from_pylist(records), "images": pa.Table.from_pylist(images, kinds)}


def searches(pool: Sequence[Grid], images: int, side: int, needles: int) -> list[dict[str, Any]]:
    """Both halves of one setting, in an order at random."""
    rng = random.Random(f"mmneedle {images} {side} {needles}")
    spots = [places(HALF, images, side, rng) for _ in range(needles)]
    made = []
    for j in range(2 * HALF):
        present = j < HALF
        while True:
            wanted = [s[j] for s in spots] if present else None
            if wanted and len(set(wanted)) < needles:
                wanted = [wanted[0], *((w[0], (w[1] + 1) % side, w[2]) for w in wanted[1:])]
            strangers = scenes(rng, needles, EVALUATION) if not present else []
            absent = [s.counts for s in strangers]
            drawn = sequence(rng, pool, images, wanted, absent[0] if absent else None)
            if drawn is None:
                continue
            cells = [c for g in drawn for c in g.cells]
            if wanted:
                described = [drawn[i].cells[r * side + c] for i, r, c in wanted]
                break
            if all(not any(all(c.get(k, 0) >= n for k, n in a.items()) for c in cells) for a in absent):
                described = absent
                break
        captions = {f"target_{k}": caption(d) for k, d in enumerate(described)}
        spot = wanted or [(-1, -1, -1)] * needles
        made.append(
            {
                "images": images,
                "rows": side,
                "columns": side,
                "needles": needles,
                "image_ids": [g.name for g in drawn],
                "index": [s[0] for s in spot],
                "row": [s[1] for s in spot],
                "col": [s[2] for s in spot],
                "target": list(captions),
                "captions": list(captions.values()),
            }
        )
    rng.shuffle(made)
    return [{"id": f"{images}x{side}x{needles}-{i:02d}", **m} for i, m in enumerate(made)]


def main(words: Sequence[str] | None = None) -> int:
    return generator("mmneedle", __doc__, Path(__file__).parent / "embedded", build, words)


if __name__ == "__main__":
    sys.exit(main())

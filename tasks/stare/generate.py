"""Build the embedded records: python -m harness.tasks.stare.generate [--check] [--out DIR]."""

from __future__ import annotations

import hashlib
import io
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from harness.records.generate import generator
from harness.tasks.stare.puzzles import flat, nets, spatial, tangram, views
from harness.tasks.stare.puzzles.item import Item
from harness.tasks.stare.scoring import CONFIGS, category, simulated

EACH = 24
"""Questions of a set."""
KINDS = ("all", "partial", "last")


def puzzle(config: str, rng: random.Random, kind: str = "") -> Item:
    """One question of a set; `kind` is the amount of simulation in sets that have one."""
    makers: dict[str, Callable[[], Item]] = {
        "2d_va": lambda: flat.puzzle(False, kind, rng),
        "2d_text_instruct": lambda: flat.puzzle(True, kind, rng),
        "3d_va": lambda: spatial.puzzle(False, kind, rng),
        "3d_text_instruct": lambda: spatial.puzzle(True, kind, rng),
        "folding_nets": lambda: nets.puzzle(kind, rng),
        "tangram_puzzle": lambda: tangram.puzzle(kind, rng),
        "temporal": lambda: views.temporal(rng),
        "perspective": lambda: views.perspective(rng),
    }
    return makers[config.removesuffix("_vsim")]()


def build() -> dict[str, pa.Table]:
    """The tables `records` and `images`."""
    records: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    for config in CONFIGS:
        for i in range(EACH):
            kind = KINDS[i % 3] if simulated(config) else ""
            made = puzzle(config, random.Random(f"stare {config} {i}"), kind)
            names = []
            for image in made.images:
                data = png(image)
                names.append(hashlib.sha256(data).hexdigest()[:16] + ".png")  # reveals nothing about the answer
                pictures[names[-1]] = data
            records.append(
                {
                    "qid": f"{config}-{i:02d}",
                    "config": config,
                    "category": category(config),
                    "question": made.question,
                    "answer": made.answer,
                    "images": names,
                    "type": made.kind,
                    "other_info": json.dumps(made.info),
                }
            )
    images = [{"image": n, "bytes": b} for n, b in pictures.items()]
    return {"records": pa.Table.from_pylist(records), "images": pa.Table.from_pylist(images)}


def png(image: Image.Image) -> bytes:
    """At most 64 colours: flat drawings lose nothing that can be seen."""
    file = io.BytesIO()
    image.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def main(words: Sequence[str] | None = None) -> int:
    return generator("stare", __doc__, Path(__file__).parent / "embedded", build, words)


if __name__ == "__main__":
    sys.exit(main())

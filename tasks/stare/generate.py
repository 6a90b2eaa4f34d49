"""Build the embedded records: python -m tasks.stare.generate [--check] [--out DIR]."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tasks.stare.puzzles import flat, nets, spatial, tangram, views
from tasks.stare.puzzles.item import Item
from tasks.stare.scoring import CONFIGS, category, simulated

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


def build() -> tuple[pa.Table, pa.Table]:
    """(records, pictures)."""
    records: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    for config in CONFIGS:
        for i in range(EACH):
            kind = KINDS[i % 3] if simulated(config) else ""
            made = puzzle(config, random.Random(f"stare {config} {i}"), kind)
            names = []
            for image in made.images:
                data = png(image)
                names.append(hashlib.sha256(data).hexdigest()[:16] + ".png")  # says nothing about the answer
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
    return pa.Table.from_pylist(records), pa.Table.from_pylist(images)


def png(image: Image.Image) -> bytes:
    """At most 64 colours: flat drawings lose nothing that can be seen."""
    file = io.BytesIO()
    image.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tasks.stare.generate", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "embedded")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the records differ")
    given = parser.parse_args(words)
    made = dict(zip(("records", "images"), build(), strict=True))
    if given.check:
        same = {name: pq.read_table(given.out / f"{name}.parquet").equals(table) for name, table in made.items()}
        print(", ".join(f"{name} {'equal' if ok else 'differ'}" for name, ok in same.items()))
        return int(not all(same.values()))
    given.out.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        pq.write_table(table, given.out / f"{name}.parquet", compression="zstd", compression_level=19)
    size = sum((given.out / f"{n}.parquet").stat().st_size for n in made) / 1e6
    print(f"{len(made['records'])} questions, {len(made['images'])} pictures, {size:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Build the embedded records: python -m tasks.chair.generate [--check] [--out DIR].

They name the scenes of embedded POPE, whose pictures they share. Objects are those that a scene shows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.scenes import scene
from tasks.chair.sources import EMBEDDED
from tasks.pope.generate import RECIPES, SEED
from tasks.pope.polling import Annotated, choose

RECORDS = "records.parquet"


def build(variant: str) -> pa.Table:
    """image_id and objects of each scene."""
    recipe = RECIPES[variant]
    annotated = [Annotated(str(seed), scene(seed).objects) for seed in recipe.candidates]
    found = [{"image_id": a.image, "objects": list(a.objects)} for a in choose(annotated, SEED, recipe.images)]
    return pa.Table.from_pylist(found, pa.schema([("image_id", pa.string()), ("objects", pa.list_(pa.string()))]))


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tasks.chair.generate", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="parent of embedded/ and calibration/")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the records differ")
    given = parser.parse_args(words)
    code = 0
    for variant in EMBEDDED:
        table, path = build(variant), given.out / variant / RECORDS
        if given.check:
            same = pq.read_table(path).equals(table)
            code |= not same
            print(f"{variant}: records {'equal' if same else 'differ'}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd")
        print(f"{variant}: {len(table)} pictures")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())

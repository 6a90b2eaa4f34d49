"""Build the embedded records: python -m tasks.vic_bench.generate [--check] [--out DIR].

Jigsaws need the Noto Color Emoji font.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.vic_bench.worlds import WORLDS

EACH = 25
"""Items of a world."""


def build() -> pa.Table:
    """One row an item; pictures are rendered from it when they are needed."""
    return pa.Table.from_pylist(
        [
            {"id": f"{world.name}-{i:02d}", "world": world.name, "item": json.dumps(world.make(_rng(world.name, i)))}
            for world in WORLDS.values()
            for i in range(EACH)
        ]
    )


def _rng(world: str, i: int) -> random.Random:
    return random.Random(f"vic_bench {world} {i}")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tasks.vic_bench.generate", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "embedded")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the records differ")
    given = parser.parse_args(words)
    table = build()
    path = given.out / "records.parquet"
    if given.check:
        same = pq.read_table(path).equals(table)
        print(f"records {'equal' if same else 'differ'}")
        return int(not same)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", compression_level=19)
    print(f"{len(table)} items, {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

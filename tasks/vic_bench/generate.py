"""Build the embedded records: python -m harness.tasks.vic_bench.generate [--check] [--out DIR]."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from harness.records.generate import generator
from harness.tasks.vic_bench.worlds import WORLDS

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
    return generator("vic_bench", __doc__, Path(__file__).parent / "embedded", lambda: {"records": build()}, words)


if __name__ == "__main__":
    sys.exit(main())

"""Peak memory of what a site and a terminal make of a run's readings: `python benchmarks/readings.py [--samples ...]`.

Makes the file of a run with six numbers and two curves over 30 layers a sample, and full arrays of 64 samples; a
process of its own then sums it up as a site does.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LAYERS, HEADS, SIDE, KEEP, PART = 30, 9, 8, 64, 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--of", type=Path, help="sum up this folder instead (what the process of its own does)")
    given = parser.parse_args()
    if given.of:
        summed(given.of, given.samples[0])
        return
    for count in given.samples:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), count)
            size = sum(f.stat().st_size for f in Path(folder).iterdir()) / 2**20
            print(f"{count:,} samples, file of {size:,.0f} MiB: ", end="", flush=True)
            command = [sys.executable, __file__, "--of", folder, "--samples", str(count)]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def make(folder: Path, count: int) -> None:
    """`readings.parquet` of a run, written part by part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from harness.runs.readings import FILE, as_table

    rng = np.random.default_rng(0)
    names = [*(f"p.n{i}" for i in range(6)), "p.a_layers", "p.b_layers"]
    empty = as_table([]).schema
    with pq.ParquetWriter(folder / FILE, empty, compression="zstd") as out:
        for start in range(0, count, PART):
            n = min(PART, count - start)
            shape = [[]] * 6 + [[LAYERS]] * 2
            axes = [[]] * 6 + [["layer"]] * 2
            numbers = rng.random((n, 6), np.float32)
            curves = rng.random((n, 2, LAYERS), np.float32)
            values = [None if k < 6 else curves[i, k - 6] for i in range(n) for k in range(8)]
            columns = {
                "id": [f"s{start + i}" for i in range(n) for _ in names],
                "name": names * n,
                "axes": axes * n,
                "shape": shape * n,
                "box": [None] * (8 * n),
                "value": np.concatenate([numbers, curves.mean(2)], 1).reshape(-1).astype(np.float64),
                "values": values,
                "within": [[0.0, 1.0]] * (8 * n),
            }
            out.write_table(pa.table({k: pa.array(v, empty.field(k).type) for k, v in columns.items()}, schema=empty))
        full = []
        for i in range(min(KEEP, count)):
            for name, axes_, size in (
                ("p.heads", ["layer", "head"], [LAYERS, HEADS]),
                ("p.map", ["layer", "row", "column"], [LAYERS, SIDE, SIDE]),
            ):
                x = rng.random(size)
                row = {"id": f"s{i * (count // KEEP or 1)}", "name": name, "axes": axes_, "shape": size, "box": None}
                full.append(row | {"value": float(x.mean()), "values": x.reshape(-1).tolist(), "within": None})
        out.write_table(as_table(full))


def summed(folder: Path, count: int) -> None:
    """What the pages of a run are made of, and what this process held at its peak before and after."""
    from types import SimpleNamespace
    from typing import Any

    from harness.leaderboard.inside import inside

    items: Any = SimpleNamespace(
        position={f"s{i}": i for i in range(count)}, clusters=np.arange(count, dtype=np.int64) // 18
    )
    entry: Any = SimpleNamespace(method="p")
    before, began = peak(), time.perf_counter()
    made = inside(entry, folder, items, {})
    assert made and len(made.maps) == min(KEEP, count) and len(made.parts[0].curves) == 2
    print(f"{time.perf_counter() - began:.1f} s, {peak() - before:,.0f} MiB above the {before:,.0f} before it")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()

"""A task's embedded tables, as its generator writes them, and the check that it still makes the same ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.embedded.scenes import font


def versions() -> dict[str, str]:
    """What a table's bytes depend on beside the generator; kept in the file's metadata. `font` drew the atlas."""
    found = {name: metadata.version(name) for name in ("pillow", "pyarrow", "numpy")}
    return {**found, "font": font()[:16]}


def made_with(path: Path) -> dict[str, str]:
    """The versions that a written table names."""
    return {k.decode(): v.decode() for k, v in (pq.read_schema(path).metadata or {}).items() if k != b"ARROW:schema"}


def generator(
    task: str, about: str | None, folder: Path, build: Callable[[], Mapping[str, pa.Table]], words: Sequence[str] | None
) -> int:
    """The command `python -m harness.tasks.<task>.generate [--check] [--out DIR]`.

    `build` gives each table by its file's path below `folder`, without the suffix. Equal versions give equal bytes.
    Returns the exit code: with --check 1 if a table differs from the written one.
    """
    parser = argparse.ArgumentParser(prog=f"python -m harness.tasks.{task}.generate", description=about)
    parser.add_argument("--out", type=Path, default=folder)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the records differ")
    given = parser.parse_args(words)
    here, code = versions(), 0
    for name, table in build().items():
        path = given.out / f"{name}.parquet"
        if given.check:
            same = pq.read_table(path).equals(table)
            other = {k: v for k, v in made_with(path).items() if here.get(k) != v}
            why = f" (made with {', '.join(f'{k} {v}' for k, v in other.items())})" if other and not same else ""
            print(f"{name}: {'equal' if same else 'differs'}{why}")
            code |= not same
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata(here), path, compression="zstd", compression_level=19)
        print(f"{name}: {len(table)} rows, {path.stat().st_size / 1e6:.2f} MB")
    return int(code)

"""Rows of a file or of a hub dataset, as plain values. A line that is not a row becomes one broken row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import Missing, UsageError, first_line


@dataclass(frozen=True)
class Broken:
    """A line that is not a row at all."""

    reason: str


def rows(path: Path) -> list[Any]:
    """A Parquet file, a JSON list, or JSON lines. Raises UsageError if the file as a whole cannot be read."""
    return list(_parquet(path) if path.suffix == ".parquet" else _json(path))


def hub(
    name: str, config: str | None, split: str, revision: str | None, image: str = "image", feature: Any = None
) -> list[dict[str, Any]]:
    """A split of a hub dataset. Pixels stay in the cache: a row's `image` is a function that fetches its cell.

    `feature` is the column's type where it is not one image. Raises Missing in one line where it cannot be loaded.
    """
    import logging

    from datasets import Image, load_dataset

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries are ten lines; our error is one
    try:
        found: Any = load_dataset(name, config, split=split, revision=revision)
        if image not in found.column_names:
            return found.to_list()
        pixels = found.cast_column(image, feature or Image(decode=False))
        texts = found.remove_columns(image).to_list()
    except Exception as e:
        why = first_line(e, 160)
        raise Missing(
            f"dataset {name} could not be loaded ({type(e).__name__}: {why}): connect to the hub once, give the "
            "official files by task.root=DIR, or use task.data=embedded"
        ) from e
    return [{**row, image: lambda i=i, t=pixels: t[i][image]} for i, row in enumerate(texts)]


def hub_lists(name: str, config: str | None, split: str, revision: str | None, images: str) -> list[dict[str, Any]]:
    """As `hub`, for a column that holds a list of images: a row's list is of functions that fetch one each."""
    from datasets import Image, Sequence

    table = hub(name, config, split, revision, images, Sequence(Image(decode=False)))
    out = []
    for row in table:
        cell = row[images]
        out.append({**row, images: [lambda i=i, c=cell: _held(c)[i] for i in range(len(_held(cell)))]})
    return out


def _held(cell: Any) -> Any:
    """What a cell holds, fetched where it is a function."""
    return cell() if callable(cell) else cell or []


def _parquet(path: Path) -> Iterator[Any]:
    """Rows in order; the bytes of an image are kept once, however many rows repeat them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept: dict[bytes, Any] = {}
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64):
            for row in batch.to_pylist():
                cell = row.get("image")
                data = cell.get("bytes") if isinstance(cell, dict) else cell
                if isinstance(data, bytes):
                    row["image"] = kept.setdefault(hashlib.sha256(data).digest(), cell)
                yield row
    except (pa.ArrowException, OSError) as e:
        raise UsageError(f"{path} is not a readable Parquet file: {first_line(e)}") from e


def _json(path: Path) -> Iterable[Any]:
    """A JSON list, or JSON lines; a line that is not JSON is a broken row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"{path} cannot be read as JSON: {e}") from e
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError as e:
            raise UsageError(f"{path} is not a valid JSON list: {e}") from e
    return [_line(line) for line in text.splitlines() if line.strip()]


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as e:
        return Broken(f"is not JSON ({e})")

"""Rows of a file or of a hub dataset, as plain values. A line that is not a row becomes one broken row."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import Missing, UsageError, first_line, not_json

LONGEST = 8_000_000
"""Characters of a text: a million tokens of English have about five million."""
DEEPEST = 64
"""Levels of lists and objects in a row."""
WRAPPERS = ("data", "rows", "records", "questions", "samples", "examples", "annotations", "items", "test")
"""What a file that is one object may call the list of its rows."""
TABLES = (".csv", ".tsv", ".xls", ".xlsx")
MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
"""What the structure of JSON is made of: texts, brackets, commas."""
SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Broken:
    """A line that is not a row at all."""

    reason: str


def unreadable(row: Any) -> str:
    """Why a row has no fields to read; an empty string where it has."""
    if isinstance(row, Broken):
        return row.reason
    return "" if isinstance(row, dict) else f"is a {type(row).__name__}, not an object with fields"


def rows(path: Path) -> list[Any]:
    """A Parquet file, a JSON list, or JSON lines, gzipped or not. Raises UsageError if the file cannot be read."""
    if path.suffix.lower() in TABLES:
        raise UsageError(f"{path} is a table, and these records are JSON lines, a JSON list or Parquet: save it as one")
    return [_checked(row) for row in _parquet(path)] if path.suffix == ".parquet" else _json(path)


def hub(
    name: str, config: str | None, split: str, revision: str | None, image: str = "image", feature: Any = None
) -> list[dict[str, Any]]:
    """A split of a hub dataset. Pixels stay in the cache: a row's `image` is a function that fetches its cell.

    `feature` is the column's type where it is not one image. Raises Missing in one line where it cannot be loaded.
    """
    from datasets import Image

    with loading(name, "or use task.data=embedded") as load:
        found: Any = load(name, config, split=split, revision=revision)
        if image not in found.column_names:
            return found.to_list()
        pixels = found.cast_column(image, feature or Image(decode=False))
        texts = found.remove_columns(image).to_list()
    return [{**row, image: lambda i=i, t=pixels: t[i][image]} for i, row in enumerate(texts)]


@contextmanager
def loading(name: str, instead: str) -> Iterator[Any]:
    """`datasets.load_dataset`, with whose errors one line ends. Raises Missing."""
    import logging

    from datasets import load_dataset

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries are ten lines; our error is one
    try:
        yield load_dataset
    except Exception as e:
        why = first_line(e, 160)
        raise Missing(
            f"dataset {name} could not be loaded ({type(e).__name__}: {why}): connect to the hub once, give the "
            f"official files by task.root=DIR, {instead}"
        ) from e


def hub_table(name: str, config: str | None, split: str, revision: str | None) -> list[dict[str, Any]]:
    """As `hub`, whichever columns hold pictures: each of them, also in a list, is a function that fetches its cell."""
    from datasets import ClassLabel, Image

    with loading(name, "or check its name, task.config and task.split") as load:
        found: Any = load(name, config, split=split, revision=revision)
        pictured: dict[str, bool] = {}
        for column, feature in found.features.items():
            inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
            if isinstance(feature, Image) or isinstance(inner, Image):
                pictured[column] = isinstance(inner, Image)
        texts, raw = found.remove_columns(list(pictured)).to_list(), found.with_format("arrow")
    named = {c: f.names for c, f in found.features.items() if isinstance(f, ClassLabel)}
    texts = [labelled(row, named) for row in texts]

    def fetched(i: int, column: str) -> Any:
        return raw[i][column][0].as_py()

    def cell(i: int, column: str) -> Any:
        if not pictured[column]:
            return lambda: _cached(fetched(i, column))
        return [lambda k=k: _cached(fetched(i, column)[k]) for k in range(len(fetched(i, column) or ()))]

    return [{**row, **{column: cell(i, column) for column in pictured}} for i, row in enumerate(texts)]


def labelled(row: dict[str, Any], names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The row with names of classes instead of their numbers, in these columns."""
    own = {c: row[c] for c in names if isinstance(row.get(c), int)}
    return {**row, **{c: names[c][n] for c, n in own.items() if 0 <= n < len(names[c])}} if own else row


def classes(path: Path) -> dict[str, list[str]]:
    """Column -> names of its classes, as `datasets` notes them in a Parquet file."""
    import pyarrow.parquet as pq

    try:
        noted = json.loads((pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"]
        return {c: f["names"] for c, f in features.items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _cached(cell: Any) -> Any:
    """A picture's cell with its bytes, also where they are a file of the hub's cache."""
    from datasets import config

    if isinstance(cell, dict) and cell.get("bytes") is None and isinstance(cell.get("path"), str):
        path = Path(cell["path"]).resolve()
        if path.is_relative_to(Path(config.HF_CACHE_HOME).resolve()) and path.is_file():
            return {**cell, "bytes": path.read_bytes()}
    return cell


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


def _json(path: Path) -> list[Any]:
    """A JSON list, JSON lines, or one JSON object with a list in it. A line or an element that is not JSON is a broken
    row."""
    text = read_text(path)
    if text.lstrip().startswith("["):
        return _list(path, text)
    found = [_value(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(found) > 1 and isinstance(found[0], Broken):
        whole = _value(text)
        if not isinstance(whole, Broken) or not any(isinstance(row, dict) for row in found):
            found = [whole]
    if len(found) == 1 and isinstance(found[0], dict):
        held = [v for k, v in found[0].items() if k in WRAPPERS and isinstance(v, list)]
        if len(held) == 1 and all(isinstance(r, dict) for r in held[0]):
            found = held[0]
    return [_checked(row) for row in found]


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, -16 or -32, packed by gzip or not, with plain line ends. Bytes that are not UTF-8
    become lone surrogates, which cost the row that holds them. Raises UsageError."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        encoding = json.detect_encoding(data)
        text = data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise UsageError(f"{path} cannot be read as JSON: {first_line(e)}") from e
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return text if "\n" in text else text.replace("\r", "\n")


def _list(path: Path, text: str) -> list[Any]:
    try:
        return [_checked(row) for row in json.loads(text)]
    except RecursionError:
        return [_checked(_value(one)) for one in _elements(path, text)]
    except ValueError as e:
        raise UsageError(f"{path} is not a valid JSON list: {e}") from e


def _elements(path: Path, text: str) -> Iterator[str]:
    """The elements of a JSON list as texts, however deep one is."""
    depth, start = 0, 0
    for found in MARKS.finditer(text):
        mark = found[0]
        depth += (mark in "[{") - (mark in "]}")
        if mark in "[{" and depth == 1:
            start = found.end()
        elif (mark == "," and depth == 1) or depth == 0:
            yield text[start : found.start()]
            start = found.end()
        if depth == 0 and mark in "]}":
            return
    raise UsageError(f"{path} is not a valid JSON list: it ends before the list does")


def _value(text: str, first: int = 1) -> Any:
    """`first`: the line of the file on which the text begins."""
    try:
        return json.loads(text)
    except ValueError as e:
        return Broken(f"is not JSON ({not_json(e, first)})")
    except RecursionError:
        return Broken(f"is nested more than {DEEPEST} levels deep")


def _checked(row: Any) -> Any:
    """The row, or why no model can be asked about it. Looks into every value, and never deeper than DEEPEST."""
    todo = [(row, 0)]
    while todo:
        value, depth = todo.pop()
        if isinstance(value, str):
            if len(value) > LONGEST:
                return Broken(f"holds a text of {len(value):,} characters, more than {LONGEST:,}")
            if not value.isascii() and SURROGATES.search(value):
                return Broken("holds half a character (a lone surrogate, or bytes that are not UTF-8)")
        elif isinstance(value, dict | list):
            if depth == DEEPEST:
                return Broken(f"is nested more than {DEEPEST} levels deep")
            values = [*value, *value.values()] if isinstance(value, dict) else value
            todo += [(v, depth + 1) for v in values if isinstance(v, str | dict | list)]
    return row

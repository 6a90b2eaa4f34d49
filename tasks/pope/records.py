"""POPE's records: embedded Parquet, the hub, or a local folder of official files.

A record that cannot be asked (a missing or mistyped field) becomes a sample with a `fault`, which costs one error row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.core import Missing, Picture, Sample, UsageError
from tasks.pope.polling import SPLITS

HERE = Path(__file__).parent
VARIANTS = ("embedded", "calibration", "coco", "aokvqa", "gqa")
HUB = {"coco": ("lmms-lab/POPE", "Full")}
"""Data set and configuration on the hub; its splits are POPE's splits."""
SOURCE = {"coco": "coco", "aokvqa": "coco", "gqa": "gqa", "embedded": "embedded", "calibration": "calibration"}
"""Whose pictures a variant shows: clusters are named globally, so that tasks on the same pictures can be pooled."""
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def load(data: str, root: str | None, revision: str | None, splits: Sequence[str]) -> tuple[list[Sample], str]:
    """The samples of the splits in order, and a digest of the records.

    Raises Missing if there is no such folder, file or data set; UsageError if a whole column is missing.
    """
    if root is not None:
        rows, digest = _local(Path(root), data, splits)
    elif data in ("embedded", "calibration"):
        rows, digest = _embedded(data, splits)
    elif data in HUB:
        rows, digest = _hub(data, revision, splits)
    else:
        raise Missing(
            f"task.data={data} is not on the hub: download output/seem/{data} of github.com/RUCAIBox/POPE and its "
            "pictures, and name the folder by task.root=DIR"
        )
    samples = [_sample(row, number, data) for number, row in enumerate(rows, 1)]
    if not samples:
        raise Missing(f"task.data={data} has no questions for task.splits=[{', '.join(splits)}]")
    return samples, digest


def _sample(row: dict[str, Any], number: int, data: str) -> Sample:
    """One record of {split, question_id, image, question, label, picture}."""
    where = f"record {number} ({row['split']}:{row.get('question_id')})"
    fault = None
    for field in ("question", "label"):
        if not isinstance(row.get(field), str):
            fault = f"{where}: {field} must be text, not {row.get(field)!r}"
    label = row["label"].strip().lower() if isinstance(row.get("label"), str) else None
    if fault is None and label not in ("yes", "no"):
        fault = f"{where}: label must be yes or no, not {row['label']!r}"
    if row.get("picture") is None:
        fault = fault or f"{where}: it has no image"
    image = str(row.get("image"))
    name = row.get("question_id")
    return Sample(
        f"{row['split']}:{number if name is None else name}",
        f"{SOURCE[data]}:{cluster(image)}",
        row["split"],
        label if fault is None else None,
        {k: row.get(k) for k in ("question_id", "image", "question", "picture")} | ({"fault": fault} if fault else {}),
    )


def cluster(image: str) -> str:
    """COCO_val2014_000000310196.jpg and 000000310196 are one picture: 000000310196."""
    stem = Path(image).stem
    return stem.rsplit("_", 1)[-1] if stem.startswith("COCO_") else stem


def _embedded(data: str, splits: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    import pyarrow.parquet as pq

    files = [HERE / f"{data}_images.parquet", HERE / f"{data}_questions.parquet"]
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
    pictures = {row["image"]: Picture(row["bytes"]) for row in pq.read_table(files[0]).to_pylist()}
    rows = pq.read_table(files[1]).to_pylist()
    return [r | {"picture": pictures[r["image"]]} for s in splits for r in rows if r["split"] == s], digest


def _hub(data: str, revision: str | None, splits: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    import datasets

    name, config = HUB[data]
    rows: list[dict[str, Any]] = []
    marks = []
    for split in splits:
        try:
            table = datasets.load_dataset(name, config, split=split, revision=revision)
        except Exception as e:
            reason = str(e).strip().splitlines()[0][:200] if str(e).strip() else type(e).__name__
            raise Missing(
                f"data set {name} cannot be loaded ({reason}): check the network, name a local folder by "
                "task.root=DIR, or use task.data=embedded"
            ) from e
        assert isinstance(table, datasets.Dataset)
        rows += hub_rows(table, split)
        marks.append(str(table._fingerprint))
    return rows, hashlib.sha256("\n".join([name, str(revision), *marks]).encode()).hexdigest()


def hub_rows(table: Any, split: str) -> Iterable[dict[str, Any]]:
    """Records of the hub's schema (question_id, question, answer, image_source, image); pictures stay encoded."""
    import datasets

    for field in ("question", "answer", "image"):
        if field not in table.column_names:
            raise UsageError(f"the data set has no column {field} (columns: {', '.join(table.column_names)})")
    raw = table.cast_column("image", datasets.Image(decode=False))
    for row in raw:
        image = row["image"] or {}
        source = image.get("bytes") or image.get("path")
        yield {
            "split": row.get("category") if row.get("category") in SPLITS else split,
            "question_id": row.get("question_id"),
            "image": row.get("image_source"),
            "question": row["question"],
            "label": row["answer"],
            "picture": Picture(source) if source else None,
        }


def _local(root: Path, data: str, splits: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    if not root.exists():
        raise Missing(
            f"task.root={root} does not exist: give a folder of official POPE files, or one file of questions"
        )
    if root.is_file():
        return _file(root, root.parent, splits)
    rows: list[dict[str, Any]] = []
    digest = hashlib.sha256()
    for split in splits:
        found = sorted(f for f in root.rglob(f"*pope*{split}*") if f.suffix in (".json", ".jsonl", ".parquet"))
        own = [f for f in found if data in f.name] or found
        if not own:
            raise Missing(
                f"task.root={root} has no file like {data}_pope_{split}.json: check task.data and task.splits"
            )
        if len(own) > 1:
            raise UsageError(f"task.root={root} has {len(own)} files for {split}: {', '.join(f.name for f in own)}")
        some, mark = _file(own[0], root, [split])
        rows += some
        digest.update(mark.encode())
    return rows, digest.hexdigest()


def _file(path: Path, pictures: Path, splits: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """One file of questions; rows name their split (`category`, `split`), or the file has one split."""
    content = path.read_bytes()
    rows = read(path)
    if not rows:
        raise UsageError(f"{path} holds no questions")
    columns = {k for row in rows for k in row}
    question = next((k for k in ("question", "prompt", "text") if k in columns), None)
    label = next((k for k in ("label", "answer", "gt", "ground_truth") if k in columns), None)
    for field, what in (
        (question, "question or text"),
        (label, "label"),
        ("image" if "image" in columns else None, "image"),
    ):
        if field is None:
            raise UsageError(f"{path} has no field {what} (fields: {', '.join(sorted(columns))})")
    files = _Pictures(pictures)
    out = []
    for number, row in enumerate(rows, 1):
        split = next((row[k] for k in ("category", "split") if row.get(k) in SPLITS), None)
        if split is None:
            named = [s for s in SPLITS if s in path.name]
            split = named[0] if len(named) == 1 else splits[0]
        if split not in splits:
            continue
        image = row.get("image")
        packed = image.get("bytes") if isinstance(image, dict) else None
        name = row.get("image_source") if packed else image
        out.append(
            {
                "split": split,
                "question_id": row.get("question_id", number),
                "image": name,
                "question": row.get(question),
                "label": row.get(label),
                "picture": Picture(packed) if packed else files.find(name),
            }
        )
    return out, hashlib.sha256(content).hexdigest()


class _Pictures:
    """Finds pictures by file name below a folder; looked up once, and only said to be missing when it is needed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._known: dict[str, Path] | None = None

    def find(self, name: Any) -> Picture | None:
        if not isinstance(name, str) or not name:
            return None
        if self._known is None:
            self._known = {f.name: f for f in sorted(self.folder.rglob("*")) if f.suffix.lower() in PICTURES}
        return Picture(self._known.get(Path(name).name, self.folder / "images" / name))


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet, JSON or JSON lines file. Raises UsageError naming the line that cannot be read."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    text = path.read_text(encoding="utf-8")
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as e:
        raise UsageError(f"{path} is neither JSON nor JSON lines: {e}") from e
    if not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{path} must hold objects with question_id, image, text and label")
    return rows

"""Where records come from: the package, the Hugging Face hub, or a folder or file of the user's."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.core import Missing, UsageError
from harness.records import (
    Absent,
    Source,
    beside,
    existing,
    hub,
    mark,
    packaged,
    picture_folder,
    plain_stem,
    record_files,
    rows,
    table_pictures,
)
from harness.tasks.pope import photos
from harness.tasks.pope.records import SPLIT_FIELDS, Find, PopeQuestion, Table, parse, unique
from harness.tasks.pope.scoring import SPLITS
from harness.tasks.pope.settings import EMBEDDED, OFFICIAL, PHOTOS, Settings

HUB = "lmms-lab/POPE"
QUESTIONS, IMAGES = "questions.parquet", "images.parquet"


def load(s: Settings) -> Source[PopeQuestion]:
    """Raises Missing (exit 3) if records are not there, UsageError (exit 2) if they have the wrong form."""
    data, root, splits = s.data, s.root, s.splits
    if root is not None:
        tables, find = _local(s)
        origin = Path(root).name
    elif data in EMBEDDED:
        tables, find = _embedded(Path(__file__).parent / data)
        origin = f"tasks/pope/{data}"
    elif data == PHOTOS:
        tables, find = _photos()
        origin = "tasks/pope/photos"
    elif data == "coco":
        tables, find = _hub(splits, s.revision)
        origin = f"{HUB} at {s.revision or 'its newest revision'}"
    else:
        raise Missing(
            f"task.data={data} has no copy on the hub: give the folder with {data}_pope_seem_<split>.json of "
            "github.com/RUCAIBox/POPE and images/ by task.root=DIR, or use task.data=embedded"
        )
    records = unique([r for table in tables for r in parse(table, data, find)])
    have = Counter(r.split for r in records)
    if lacking := [s for s in splits if not have[s]]:
        there = [s for s in SPLITS if have[s]]
        hint = f"choose task.splits=[{','.join(there)}]" if there else "check task.root"
        raise Missing(f"{origin} has no questions of split {', '.join(lacking)}: add them, or {hint}")
    records = [r for r in records if r.split in splits or r.split not in SPLITS]
    pictures = {r.image: r.picture for r in records if r.picture is not None}
    marks = {name: mark(picture) for name, picture in pictures.items()}
    facts = [[r.id, r.cluster, r.image, r.question, r.label, r.fault, marks.get(r.image, "")] for r in records]
    digest = hashlib.sha256(json.dumps([facts, s.revision if root is None else None]).encode()).hexdigest()
    facts = {
        "source": origin,
        "questions": sum(not r.fault for r in records),
        "faulty_rows": sum(bool(r.fault) for r in records),
        "images": len(pictures),
        "images_not_found": sum(isinstance(p, Absent) for p in pictures.values()),
        "records": digest,
    }
    return Source(records, digest, facts)


def _embedded(folder: Path) -> tuple[list[Table], Find]:
    """Two files: questions, and the pictures that they share."""
    cells = {row["image"]: row["bytes"] for row in packaged(folder, IMAGES)}
    read = table_pictures()
    return [Table(QUESTIONS, packaged(folder, QUESTIONS))], lambda name, _: read(name, cells.get(name))


def _photos() -> tuple[list[Table], Find]:
    found = photos.pictures()
    return [Table(photos.ANNOTATIONS.name, list(photos.questions()))], lambda name, _: found[name]


def _hub(splits: tuple[str, ...], revision: str | None) -> tuple[list[Table], Find]:
    """lmms-lab/POPE, config Full: one split each."""
    return [Table(f"{HUB} {s}", hub(HUB, "Full", s, revision), s) for s in splits], table_pictures()


def _local(s: Settings) -> tuple[list[Table], Find]:
    root = existing(s.root or "", "a folder with question files, or one file")
    folder = beside(root, picture_folder(s.images))
    read = table_pictures()

    def find(name: str, cell: Any) -> Any:
        return folder(name) if cell is None else read(name, cell)

    if root.is_file():
        return [_file(root, next((s for s in SPLITS if s in root.stem), None))], find
    if (root / QUESTIONS).is_file() and (root / IMAGES).is_file():
        return _embedded(root)
    if tables := [_file(path, split) for split in s.splits if (path := _questions(root, s.data, split))]:
        return tables, find
    if tables := [_file(path, _split_of(path, root)) for path in record_files(root, (".parquet",))]:
        return tables, find
    raise Missing(
        f"task.root={root} holds no questions: it needs {s.data}_pope_<split>.json or Parquet files like those of {HUB}"
    )


def _questions(root: Path, data: str, split: str) -> Path | None:
    """The question file of a split, by name: coco_pope_random.json, gqa_pope_seem_random_first30.json, ..."""
    named = [p for p in record_files(root, (".json", ".jsonl")) if fnmatchcase(p.name, f"*pope*{split}*")]
    found = sorted(p for p in named if not _of_another(p, data))
    for exact in (f"{data}_pope_{split}", f"{data}_pope_seem_{split}"):
        found = [p for p in found if plain_stem(p) == exact] or found
    if len(found) > 1:
        raise UsageError(
            f"task.root={root} holds {len(found)} files for split {split} ({', '.join(p.name for p in found[:3])}): "
            "keep one, or choose task.data=coco, aokvqa or gqa"
        )
    return found[0] if found else None


def _of_another(path: Path, data: str) -> bool:
    return any(path.name.startswith(other) for other in OFFICIAL if other != data) and data in OFFICIAL


def _split_of(path: Path, root: Path) -> str | None:
    """From `Full/random-00000-of-00003.parquet` or `random/0000.parquet`; None where rows must say it."""
    parts = "/".join(path.relative_to(root).parts)
    return next((s for s in SPLITS if s in parts), None)


def _file(path: Path, split: str | None) -> Table:
    found = rows(path)
    if split and any(isinstance(r, dict) and r.get(s) in SPLITS for r in found for s in SPLIT_FIELDS):
        split = None
    return Table(path.name, found, split)

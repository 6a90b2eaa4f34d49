"""Where pictures and their objects come from: the package, the hub, COCO's annotation files, or own records."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core import Missing, Picture, UsageError
from harness.core.errors import not_json
from harness.records import (
    Broken,
    Folder,
    Source,
    beside,
    existing,
    has,
    hub,
    mark,
    packaged,
    picture_folder,
    place_of,
    read_text,
    record_files,
    rows,
    table_pictures,
    tables,
)
from harness.tasks.chair.captions import read, vocabulary
from harness.tasks.chair.settings import EMBEDDED, HUB, Settings

IDS = ("image_id", "question_id", "id")
OBJECTS = ("objects", "gt_objects", "gt_object_list", "gt_object")
IMAGES = ("image", "file_name", "image_name")
SPLITS = ("val2014", "train2014", "val2017", "train2017")


@dataclass(frozen=True)
class Scene:
    """One picture with the categories that it shows, or what is wrong with its row (`fault`)."""

    id: str
    cluster: str
    objects: frozenset[str] = frozenset()
    image: str = ""
    picture: Picture | None = field(default=None, repr=False)
    fault: str = ""


def load(s: Settings) -> Source[Scene]:
    """Raises Missing (exit 3) if records are not there, UsageError (exit 2) if they have the wrong form."""
    if s.root is not None:
        found, origin = _local(Path(s.root), s), Path(s.root).name
    elif s.data in EMBEDDED:
        found, origin = _embedded(s), f"tasks/chair/{s.data}"
    else:
        name, split = HUB[s.data]
        found, origin = _records(hub(name, None, split, s.revision), name, s, Folder([])), name
    if s.ids is not None:
        found = _chosen(found, Path(s.ids))
    if not found:
        raise UsageError(f"{origin} holds no pictures: each row needs {' or '.join(IDS)} and {' or '.join(OBJECTS)}")
    facts = [[r.id, r.cluster, sorted(r.objects), r.fault, mark(r.picture) if r.picture else ""] for r in found]
    digest = hashlib.sha256(json.dumps([facts, s.revision if s.root is None else None]).encode()).hexdigest()
    faults = sum(bool(r.fault) for r in found)
    return Source(found, digest, {"source": origin, "images": len(found), "faulty_rows": faults, "records": digest})


def _embedded(s: Settings) -> list[Scene]:
    """The scenes of embedded POPE: the same pictures, so that both tasks can be pooled."""
    here = Path(__file__).parent
    shared = here.with_name("pope") / s.data
    cells = {row["image"]: row["bytes"] for row in packaged(shared, "images.parquet")}
    found = [{**row, "image": {"bytes": cells[row["image_id"]]}} for row in packaged(here / s.data)]
    return _records(found, s.data, s, Folder([shared]))


def _local(root: Path, s: Settings) -> list[Scene]:
    existing(root, "a folder with COCO annotations, or a file with records")
    folder = beside(root, picture_folder(s.images), *SPLITS)
    if root.is_file():
        return _records(_rows(root), root.name, s, folder)
    if files := [p for p in record_files(root, (".json",)) if p.name.startswith("instances_")]:
        return _records(_coco(files), root.name, s, folder)
    for suffix in (".jsonl", ".parquet", ".json"):
        found = [r for _, rows in tables(record_files(root, (suffix,)), OBJECTS, _rows) for r in rows]
        if found:
            return _records(found, root.name, s, folder)
    raise Missing(
        f"task.root={root} holds no annotations: it needs instances_val2014.json and captions_val2014.json of COCO, or "
        "a JSONL or Parquet file with image_id, objects and image"
    )


def _rows(path: Path) -> list[Any]:
    """Rows, or an object {image id: [objects]} as one row each."""
    found = rows(path)
    if len(found) == 1 and isinstance(found[0], dict) and not has(found[0], (*OBJECTS, *IDS, *IMAGES)):
        lists = [v for v in found[0].values() if isinstance(v, list)]
        if len(lists) == len(found[0]) and all(isinstance(o, str) for v in lists for o in v):
            return [{"image_id": k, "objects": v} for k, v in found[0].items()]
    return found


def _coco(files: Sequence[Path]) -> Iterable[dict[str, Any]]:
    """COCO's annotation files: categories of the segments, and the human captions of the file beside."""
    for path in files:
        try:
            made = json.loads(read_text(path))
            names = {c["id"]: c["name"] for c in made["categories"]}
            found = {i["id"]: {"image_id": i["id"], "image": i["file_name"], "objects": []} for i in made["images"]}
            for a in made["annotations"]:
                found[a["image_id"]]["objects"].append(names[a["category_id"]])
            captions = path.with_name(path.name.replace("instances_", "captions_"))
            if not captions.is_file():
                raise Missing(f"{captions} is not there: ground truth needs the human captions as well")
            for c in json.loads(read_text(captions))["annotations"]:
                if c["image_id"] in found:
                    found[c["image_id"]].setdefault("captions", []).append(c["caption"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
            raise UsageError(f"{path} is not a COCO annotation file ({type(e).__name__}: {e})") from e
        yield from found.values()


def _records(found: Iterable[Any], where: str, s: Settings, folder: Folder) -> list[Scene]:
    names = set(vocabulary(s.vocabulary).categories)
    stored, seen, out = table_pictures(), set(), []
    for number, row in enumerate(found, 1):
        at = f"{where}, row {number}"
        if isinstance(row, Broken) or not isinstance(row, dict):
            reason = row.reason if isinstance(row, Broken) else f"is a {type(row).__name__}, not an object"
            out.append(Scene(f"row{number}", f"{s.data}:{where}:row{number}", fault=f"{at}: {reason}"))
            continue
        cell = next((row[k] for k in IMAGES if row.get(k) is not None), None)
        given = next((str(row[k]) for k in IDS if row.get(k) is not None), "")
        id_ = given or (place_of(cell) if isinstance(cell, str) else f"row{number}")
        cluster = cluster_of(given or (cell if isinstance(cell, str) else id_), s.data)
        objects, fault = _objects(row, names, s)
        if id_ in seen:
            id_, fault = f"{id_}#{number}", fault or f"picture {id_} occurs twice"
        seen.add(id_)
        name = cell if isinstance(cell, str) else f"{id_}.jpg"
        picture = folder(_file_name(name, id_)) if cell is None or isinstance(cell, str) else stored(name, cell)
        out.append(Scene(id_, cluster, objects, name, picture, fault and f"{at}: {fault}"))
    return out


def _objects(row: dict[str, Any], names: set[str], s: Settings) -> tuple[frozenset[str], str]:
    """Annotated categories, and those that the human captions name; or why they cannot be had."""
    key = next((k for k in OBJECTS if k in row), None)
    if key is None:
        return frozenset(), f"has no field {' or '.join(OBJECTS)}"
    listed = row[key]
    if isinstance(listed, str):
        listed = [w.strip(" '\"[]") for w in listed.split(",")]
    if not isinstance(listed, list) or not all(isinstance(w, str) for w in listed):
        return frozenset(), f"field {key} is not a list of names"
    nodes = vocabulary(s.vocabulary).node
    if strange := [w for w in listed if w and w not in names and w not in nodes]:
        return frozenset(), f"field {key} names {strange[0]!r}, which is not a COCO category"
    captions = row.get("captions") or []
    if not isinstance(captions, list) or not all(isinstance(c, str) for c in captions):
        return frozenset(), "field captions is not a list of texts"
    read_in = {n for c in captions for n in read(c, s.vocabulary, s.lemmatizer).nodes}
    return frozenset({nodes.get(w, w) for w in listed if w} | read_in), ""


def _file_name(name: str, id_: str) -> str:
    """A record without a file name: COCO's own."""
    return f"COCO_val2014_{int(id_):012d}.jpg" if name == f"{id_}.jpg" and id_.isdigit() else name


def cluster_of(id_: str, data: str) -> str:
    """COCO ids are shared by every task on COCO; embedded scenes with embedded POPE."""
    if data in EMBEDDED:
        return f"embedded:{id_}"
    place = place_of(id_)
    if match := re.fullmatch(r"(?:COCO_\w+?_)?(\d+)", place.rpartition("/")[2] if "COCO_" in place else place):
        return f"coco:{int(match[1]):012d}"
    return f"{data}:{place}"


def _chosen(found: list[Scene], path: Path) -> list[Scene]:
    """The pictures of `task.ids`: one id per line, or rows that name their image."""
    if not path.is_file():
        raise Missing(f"task.ids={path} is not a file: give one with an image id a line, or JSON rows with image_id")
    wanted = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        text = line.strip()
        if text.startswith(("{", "[")):
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as e:
                raise UsageError(f"task.ids={path} is not JSON ({not_json(e, number)})") from e
            if not isinstance(row, dict):
                raise UsageError(f"task.ids={path}, line {number}: write an image id, or a row with image_id, a line")
            text = str(next((row[k] for k in (*IDS, *IMAGES) if row.get(k) is not None), ""))
        if text:
            wanted.append(cluster_of(text, "local"))
    by = {r.cluster: r for r in found}
    if absent := [w for w in wanted if w not in by]:
        raise UsageError(f"task.ids={path} names {len(absent)} pictures that are not there, {absent[0]} first")
    return [by[w] for w in dict.fromkeys(wanted)]

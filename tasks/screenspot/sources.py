"""Screenshots with targets: the package's, the hub's, or the official files. Three box conventions become one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core import Missing, Picture, UsageError
from harness.records import (
    LATER,
    Broken,
    Folder,
    Source,
    beside,
    existing,
    gathered,
    hub,
    labels,
    once,
    packaged,
    picture_folder,
    record_files,
    table_pictures,
    tables,
)
from harness.tasks.screenspot.parsers import Size
from harness.tasks.screenspot.scoring import Box
from harness.tasks.screenspot.settings import CONVENTIONS, HUB, Settings

PLATFORMS = {
    **dict.fromkeys(("ios", "android", "mobile"), "mobile"),
    **dict.fromkeys(("macos", "windows", "desktop"), "desktop"),
    **dict.fromkeys(("tool", "shop", "gitlab", "forum", "web"), "web"),
}


@dataclass(frozen=True)
class Target:
    """One instruction. `box` is in pixels, or in 0..1 where `normalized` is set; or what is wrong (`fault`)."""

    id: str
    cluster: str
    cell: str
    instruction: str = ""
    box: Box = (0, 0, 0, 0)
    normalized: bool = False
    image: str = ""
    picture: Picture | None = field(default=None, repr=False)
    fault: str = ""
    size: Size = field(default=None, metadata=LATER)
    """Of the screenshot in pixels, where the row states it: what is needed where the screenshot is not at hand."""


def load(s: Settings) -> Source[Target]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    if s.root is not None:
        found = once(_local(s))
    elif s.data == "embedded":
        found = list(_embedded(Path(__file__).parent / "embedded"))
    else:
        table = hub(HUB[s.data], None, "test", s.revision)
        found = list(_records(table, HUB[s.data], s.data, _auto(table, s.bbox), Folder([])))
    if not found:
        raise UsageError("these records hold no instruction: each row needs instruction, bbox and an image")
    screens = len({r.cluster for r in found})
    revision = s.revision if s.root is None else None
    return gathered(found, s.bbox, revision, counted="instructions", screenshots=screens)


def _embedded(folder: Path) -> Iterable[Target]:
    cells = {r["image"]: {"bytes": r["bytes"]} for r in packaged(folder, "images.parquet")}
    table = [{**r, "image": cells[r["img_filename"]]} for r in packaged(folder)]
    return _records(table, "embedded", "embedded", "xywh_pixels", Folder([folder]))


def _local(s: Settings) -> Iterable[Target]:
    """SeeClick's screenspot_<platform>.json, ScreenSpot-Pro's annotations/*.json, or any JSON or Parquet rows."""
    root = existing(s.root or "", "a folder with the annotation files, or one file")
    folder = beside(root, picture_folder(s.images), "screenspot_imgs", "screenspotv2_image")
    files = record_files(root)
    if not files:
        raise Missing(f"task.root={root} holds no annotations: it needs .json, .jsonl or .parquet files")
    called = labels(files, root, lambda path: path.stem)
    for path, table in tables(files, ("instruction", "bbox")):
        yield from _records(table, path.name, s.data, _auto(table, s.bbox), folder, called[path])


def _auto(table: list[Any], bbox: str) -> str:
    """By the layout that the rows have: Pro's rows carry img_size, SeeClick's name a file, the hub's are normalised."""
    if bbox != "auto":
        return bbox
    first = next((r for r in table if isinstance(r, dict)), {})
    if first.get("convention") in CONVENTIONS[1:]:
        return str(first["convention"])
    if "img_size" in first:
        return "xyxy_pixels"
    boxes = [r["bbox"] for r in table if isinstance(r, dict) and isinstance(r.get("bbox"), list | tuple)]
    if boxes and all(isinstance(v, int | float) and 0 <= v <= 1 for box in boxes for v in box):
        return "xyxy_normalized"
    return "xywh_pixels"


def _records(
    table: Iterable[Any], where: str, data: str, convention: str, folder: Folder, called: str = ""
) -> Iterable[Target]:
    """`called`: what ids call the table; empty: as it is named."""
    stored, called = table_pictures(), called or Path(where).stem
    for number, row in enumerate(table, 1):
        name, at = f"{called}:{number}", f"{where}, row {number}"
        cluster = f"{data}:{where}:{number}"
        if isinstance(row, Broken) or not isinstance(row, dict):
            reason = row.reason if isinstance(row, Broken) else f"is a {type(row).__name__}, not an object"
            yield Target(name, cluster, "unknown_unknown", fault=f"{at}: {reason}")
            continue
        cell = row.get("image")
        named = row.get("img_filename") or row.get("file_name") or (cell if isinstance(cell, str) else None)
        image = str(named or f"{where}#{number}")
        picture = folder(image) if cell is None or isinstance(cell, str) else stored(image, cell)
        cluster = f"{data}:{picture.place if named else image}"
        fault, box = box_of(row.get("bbox"), convention)
        instruction = row.get("instruction")
        if not isinstance(instruction, str) or not instruction.strip():
            fault = fault or "has no text in field instruction"
        label = _cell(row, where)
        own = name if row.get("id") in (None, "") else str(row["id"])
        if fault:
            yield Target(own, cluster, label, image=image, fault=f"{at}: {fault}")
            continue
        normal = convention == "xyxy_normalized"
        yield Target(own, cluster, label, str(instruction), box, normal, image, picture, size=stated_size(row))


def stated_size(row: Mapping[str, Any]) -> Size:
    """Width and height of the screenshot, where the row states them."""
    stated: Any = row.get("img_size") or [row.get(k) for k in ("image_width", "image_height")]
    if isinstance(stated, str):
        stated = [int(n) for n in re.findall(r"\d+", stated)]
    whole = isinstance(stated, list | tuple) and len(stated) == 2 and all(type(v) is int and v > 0 for v in stated)
    return (stated[0], stated[1]) if whole else None


def box_of(value: Any, convention: str) -> tuple[str, Box]:
    """("", box as x0, y0, x1, y1), or what is wrong."""
    none = (0.0, 0.0, 0.0, 0.0)
    if not isinstance(value, list | tuple) or len(value) != 4 or not all(isinstance(v, int | float) for v in value):
        return "field bbox is not a list of four numbers", none
    x0, y0, x1, y1 = (float(v) for v in value)
    if convention == "xywh_pixels":
        x1, y1 = x0 + x1, y0 + y1
    if not (x0 < x1 and y0 < y1 and x0 >= -1 and y0 >= -1):
        return f"field bbox {list(value)} is empty or outside, read as {convention}", none
    return "", (x0, y0, x1, y1)


def _cell(row: dict[str, Any], where: str) -> str:
    """platform_kind; for Pro its group of applications instead of the platform."""
    kind = str(row.get("ui_type") or row.get("data_type") or "unknown")
    if "ui_type" in row:
        return f"{row.get('group') or 'unknown'}_{kind}"
    source = str(row.get("platform") or row.get("data_source") or "").lower()
    named = next((p for p in ("mobile", "desktop", "web") if p in where.lower()), "unknown")
    return f"{PLATFORMS.get(source, named)}_{kind}"

"""Items of the embedded worlds, and ViC-Bench's own questions of stage 1."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core import Missing, Picture, UsageError
from harness.records import Broken, Folder, Source, existing, gathered, once, packaged, record_files, rows
from harness.tasks.vic_bench.settings import Settings
from harness.tasks.vic_bench.worlds.base import Item

SPLITS = ("counting", "maze", "puzzle", "embodied")
MARK = re.compile(r"<image_\d+>")


@dataclass(frozen=True)
class VicItem:
    """One item: of a world (`item`), or a question of stage 1 (`parts`, `answer`); or what is wrong (`fault`)."""

    id: str
    world: str
    item: Item = field(default_factory=dict, repr=False)
    parts: tuple[str | Picture, ...] = ()
    answer: str = ""
    options: int = 4
    fault: str = ""


def load(s: Settings) -> Source[VicItem]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    found = once(_official(Path(s.root))) if s.root else _embedded(Path(__file__).parent / "embedded")
    chosen = [r for r in found if r.world in s.worlds]
    if not chosen:
        raise UsageError("no item of these worlds: leave task.worlds out, or see task.root")
    own = "local: recall, legality, thinkgain, levels and protocol are this package's own"
    return gathered(chosen, counted="items", definitions=own)


def _embedded(folder: Path) -> Iterator[VicItem]:
    for row in packaged(folder):
        yield VicItem(row["id"], row["world"], json.loads(row["item"]))


def _official(root: Path) -> Iterator[VicItem]:
    """json/vicbench__<split>_stage1.json beside its pictures (meituan/ViC-Bench), or one such file."""
    existing(root, "the folder with json/vicbench__maze_stage1.json ...")
    files = [p for p in record_files(root, (".json", ".jsonl")) if p == root or "stage1" in p.name]
    if not files:
        raise Missing(f"task.root={root} holds no *_stage1.json: it needs ViC-Bench's json/ folder")
    for path in files:
        split = next((s for s in SPLITS if s in path.stem), None)
        if split is None:
            raise UsageError(f"{path}: unknown split: name the file after one of {', '.join(SPLITS)}")
        base = path.parent.parent if path.parent.name == "json" else path.parent
        folder = Folder([base / "images", base, path.parent], within=base if path == root else root)
        for number, row in enumerate(rows(path), 1):
            yield _question(row, split, f"{split}:{number}", folder)


def _question(row: Any, split: str, name: str, picture: Any) -> VicItem:
    world = {"puzzle": "jigsaw"}.get(split, split)
    if isinstance(row, Broken) or not isinstance(row, dict):
        said = row.reason if isinstance(row, Broken) else f"is a {type(row).__name__}, not an object"
        return VicItem(name, world, fault=f"{name}: {said}")
    prompt, target, images = row.get("prompt"), row.get("target"), row.get("images")
    if not isinstance(prompt, str) or not isinstance(target, str) or not target.strip() or not isinstance(images, dict):
        return VicItem(name, world, fault=f"{name}: needs texts in prompt and target, and images by their marks")
    marks = MARK.findall(prompt)
    if lacking := [m for m in marks if not isinstance(images.get(m), str)]:
        return VicItem(name, world, fault=f"{name}: images has no {lacking[0]}")
    pieces = MARK.split(prompt)
    parts: list[str | Picture] = [pieces[0]]
    for one, text in zip(marks, pieces[1:], strict=True):
        parts += [picture(images[one]), text]
    extra = row.get("extra_data")
    listed = extra.get("options") if isinstance(extra, dict) else None
    options = len(listed or "ABCD") if isinstance(listed, list | dict | str | None) else 4
    label = f"{split}:{row.get('instanceId', number_of(name))}"
    return VicItem(label, world, {}, tuple(p for p in parts if p != ""), target.strip(), options)


def number_of(name: str) -> str:
    return name.rsplit(":", 1)[-1]

"""From the rows of a table to questions. A bad row becomes a question with a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core import UsageError
from harness.core.errors import nearest
from harness.records import Folder, beside, picture_folder
from harness.records.files import kind as kind_of
from harness.records.pictures import Named
from harness.tasks.pope.records import cluster_of
from harness.tasks.screenspot.sources import box_of, stated_size
from harness.tasks.vqa import columns as roles
from harness.tasks.vqa.columns import NONE, Columns
from harness.tasks.vqa.conventions import convention_of, counted_from
from harness.tasks.vqa.kinds import PLACED, Kind
from harness.tasks.vqa.kinds.kind import text
from harness.tasks.vqa.part import Part
from harness.tasks.vqa.pictures import Finder, listed, placed
from harness.tasks.vqa.record import Bad, Question
from harness.tasks.vqa.row import Row
from harness.tasks.vqa.settings import NAME, Settings


def questions(part: Part, s: Settings, kind: Kind, parts: Sequence[Part]) -> Iterator[Question]:
    """Those of one of the parts. Raises UsageError for a prompt or a convention that does not fit."""
    columns, prompt = part.columns, s.prompt or kind.prompt
    names = list(dict.fromkeys(n for row in part.rows if isinstance(row, Row) for n in row.cells))
    for wanted in NAME.findall(prompt):
        if wanted not in ("question", "options", "hint", *names):
            raise UsageError(f"task.prompt: {{{wanted}}} is not in {part.table.name}: {nearest(wanted, names)}")
    finder, naming = _finder(part, s)
    convention = convention_of(part, s) if kind.name in PLACED else ""
    first = counted_from(part, s) if kind.name == "choice" else None
    clash = sum(p.table.stem == part.table.stem for p in parts) > 1
    stem = re.sub(r"\.\w+(\.gz)?$", "", part.table.name) if clash else part.table.stem
    for number, row in enumerate(part.rows, 1):
        name = f"{stem}:{number}"
        if isinstance(row, str):
            yield Question(name, f"local:{name}", fault=row)
            continue
        own = _text(row.cells, columns, "id") or name
        group = _text(row.cells, columns, "group")
        cluster, pictures = f"local:{name}", []
        try:
            pictures = _pictures(row, columns, finder, naming, name)
            cluster = _cluster(row, columns, pictures, cluster)
            asked = _asked(row, columns, prompt)
            placed(asked, pictures)
            plain = Question(
                own, cluster, group, row.question, options=tuple(row.options), asked=asked,
                images=tuple(p.name for p in pictures), pictures=tuple(pictures), size=stated_size(row.cells),
            )  # fmt: skip
            yield _answered(row, plain, kind, convention, first)
        except Bad as e:
            yield Question(own, cluster, group, fault=f"{row.place}: {e}")


def _answered(row: Row, record: Question, kind: Kind, convention: str, first: int | None) -> Question:
    """The record with what is right. Raises Bad."""
    if row.fault:
        raise Bad(row.fault)
    if not record.question:
        raise Bad("the question is empty or not a text")
    if kind.name in PLACED:
        fault, box = box_of(row.numbers, convention)
        if fault:
            raise Bad(fault.replace("field bbox", "the box"))
        return replace(record, box=box, normalized=convention == "xyxy_normalized")
    if kind.answered and not row.answers:
        raise Bad("the answer is empty")
    if first is not None and row.answers:
        at = int(row.answers[0]) - first
        if not 0 <= at < len(record.options):
            raise Bad(
                f"the answer is option {row.answers[0]}, and there are {len(record.options)}, counted from {first}"
            )
        return kind.read([chr(ord("A") + at)], record)
    return kind.read(row.answers, record)


def _finder(part: Part, s: Settings) -> tuple[Finder, list[str]]:
    """The reader of the table's picture cells, and the columns that may name what it reads."""
    rows = [row for row in part.rows if isinstance(row, Row)]
    column = part.columns["image"][0]
    known = {_text(row.cells, part.columns, "id"): row.cells.get(column) for row in rows}
    naming = roles.names_of_pictures(list(rows[0].cells), column) if rows else []
    if s.root is None:
        return Finder(Folder([]), known), naming
    root = Path(s.root)
    folder = beside(root, picture_folder(s.images))
    own = Path(part.table.name).parent
    places = [own / "images", own] if s.images is None and root.is_dir() and own != Path() else []

    def find(name: str) -> Named:
        """A file beside the table first, by its path from the root."""
        place = next((p for p in places if kind_of(root / p / name) == "file"), None)
        return folder((place / name).as_posix() if place else name)

    return Finder(find, known), naming


def _pictures(row: Row, columns: Columns, finder: Finder, naming: Sequence[str], where: str) -> list[Named]:
    if columns["image"] == (NONE,):
        return []
    found = []
    for column in columns["image"]:
        named = next((str(row.cells[n]) for n in naming if row.cells.get(n)), "")
        try:
            found += finder(row.cells.get(column), named, where if len(columns["image"]) == 1 else f"{where}:{column}")
        except Bad as e:
            raise Bad(f"column {column} {e}") from None
    if not found:
        raise Bad(f"column {columns['image'][0]} is empty: give the picture's name")
    return found


def _cluster(row: Row, columns: Columns, pictures: Sequence[Named], alone: str) -> str:
    """What the column for it says; else the picture, or the pictures together; else the row itself."""
    if columns.get("cluster"):
        if not (said := _text(row.cells, columns, "cluster")):
            raise Bad(f"column {columns['cluster'][0]} (task.columns.cluster) is empty")
        return f"local:{said}"
    if not pictures:
        return alone
    return "+".join(dict.fromkeys(cluster_of(p.place, "local") for p in pictures))


def _asked(row: Row, columns: Columns, prompt: str) -> str:
    """The prompt with the row's texts in it."""
    hint = _text(row.cells, columns, "hint")
    lines = "" if row.inline else "\n".join(f"{chr(ord('A') + i)}. {o}" for i, o in enumerate(row.options))
    own = {"question": row.question, "hint": f"{hint}\n" if hint else "", "options": lines}

    def fill(found: re.Match[str]) -> str:
        known = own.get(found[1])
        return ", ".join(map(text, listed(row.cells.get(found[1])))) if known is None else known

    return NAME.sub(fill, prompt if lines else prompt.replace("{options}\n", ""))


def _text(cells: Mapping[str, Any], columns: Columns, role: str) -> str:
    names = columns.get(role, ())
    value = cells.get(names[0]) if names and names[0] != NONE else None
    return text(value) if isinstance(value, str | int | float) else ""

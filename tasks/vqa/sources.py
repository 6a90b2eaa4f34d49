"""From tables to questions of one kind. A bad row becomes a question with a fault, a bad table one UsageError."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core import Picture, UsageError
from harness.core.errors import nearest
from harness.records import Absent, Folder, Source, beside, gathered, picture_folder, unreadable
from harness.records.files import kind as kind_of
from harness.records.pictures import Named
from harness.tasks.pope.records import cluster_of
from harness.tasks.screenspot.sources import box_of
from harness.tasks.vqa import columns as roles
from harness.tasks.vqa.columns import NONE, Columns
from harness.tasks.vqa.kinds import KINDS, METRICS, How, Kind
from harness.tasks.vqa.kinds.kind import text
from harness.tasks.vqa.pictures import Finder, listed, placed
from harness.tasks.vqa.recognise import recognised
from harness.tasks.vqa.record import Bad, Question
from harness.tasks.vqa.row import Row, row_of
from harness.tasks.vqa.settings import AUTO, CALIBRATION, NAME, Settings
from harness.tasks.vqa.tables import Table, tables

ANNOTATORS = 10
"""Of VQAv2: where every row has so many answers, its accuracy is the metric."""
FEW = 10
"""Rows below which ids that repeat are mistakes."""
GROUPS = 50
"""Values at most of a column that is taken for groups by its name alone."""
PLACED = ("box", "point")


@dataclass(frozen=True)
class Part:
    """One table with its columns, and each row's cells by role; a row that has none is why."""

    table: Table
    columns: Columns
    rows: Sequence[Row | str]


def load(s: Settings) -> tuple[Source[Question], Kind]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    parts = [_part(t, s) for t in tables(s)]
    name = s.root if s.hub is None else s.hub
    where = parts[0].table.name if len(parts) == 1 else str(name)
    rows = [row for part in parts for row in part.rows if isinstance(row, Row)]
    kind = _kind(s, rows, where)
    records = _unique([q for part in parts for q in _questions(part, s, kind, parts)])
    if all(q.fault for q in records):
        raise UsageError(f"no row of {where} can be asked; the first: {records[0].fault}")
    own = s.data == CALIBRATION
    kept = [q for q in records if set_aside(q.cluster, s) == own and not (own and q.fault)]
    if not kept:
        side = "calibration" if own else "evaluation"
        raise UsageError(
            f"task.calibration={s.calibration:g} leaves no picture of {len({q.cluster for q in records})} for {side}: "
            "give another share, or another task.calibration_seed"
        )
    pictures = [p for q in kept for p in q.pictures]
    found = gathered(
        kept,
        s.revision if s.hub else None,
        counted="questions",
        source=Path(str(name)).name if s.hub is None else s.hub,
        tables=[part.table.name for part in parts],
        kind=kind.name,
        parser=kind.how.parser,
        pictures=len(set(map(id, pictures))),
        images_not_found=len({p.name for p in pictures if isinstance(p, Absent)}),
        read_from={role: list(names) for role, names in parts[0].columns.items()},
        set_aside=0 if own else len(records) - len(kept),
    )
    return found, kind


def set_aside(cluster: str, s: Settings) -> bool:
    """Whether a cluster belongs to the calibration share: drawn by the seed and its own name, so that more records
    move none of the old ones."""
    drawn = hashlib.sha256(f"{s.calibration_seed}:{cluster}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:8]) < s.calibration * 2**64


def _part(table: Table, s: Settings) -> Part:
    there = [row for row in table.rows if not unreadable(row)]
    if not there:
        raise UsageError(f"{table.name}, {table.places[0]}: {unreadable(table.rows[0])}")
    columns = roles.columns(table.name, there, s.columns)
    names = list(dict.fromkeys(name for row in there for name in row))
    if "question" not in columns:
        raise roles.missing(table.name, "question", names)
    if "image" not in columns:
        raise roles.missing(table.name, "image", names, ", or ask without pictures by task.columns.image=none")
    if "answer" not in columns and "box" not in columns and s.kind in (AUTO, "yesno", "choice", "short", "number"):
        raise roles.missing(table.name, "answer", names, ", or store what models say, unscored, by task.kind=free")
    if "id" not in s.columns and (known := columns.get("id")) and _repeats(there, known[0]):
        del columns["id"]
    group = columns.get("group", ())
    if "group" not in s.columns and group and not 1 < len({str(r.get(group[0])) for r in there}) <= GROUPS:
        del columns["group"]
    rows: list[Row | str] = []
    for place, cells in zip(table.places, table.rows, strict=True):
        at = f"{table.name}, {place}"
        rows.append(f"{at}: {reason}" if (reason := unreadable(cells)) else row_of(at, cells, columns))
    return Part(table, columns, rows)


def _repeats(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether a column names something else than rows (a picture): a value stands in two rows or more on average."""
    return len(rows) >= FEW and 2 * len({str(row.get(column)) for row in rows}) <= len(rows)


def _kind(s: Settings, rows: Sequence[Row], where: str) -> Kind:
    """Made with its parser and metric. Raises UsageError where they do not go together."""
    name = recognised(rows, where) if s.kind == AUTO else s.kind
    form = KINDS[name]
    parser = s.parser
    if parser == AUTO:
        parser = form.parsers[0] if form.parsers else ""
    elif parser not in form.parsers:
        fix = f"choose one of {', '.join(form.parsers)}" if form.parsers else "leave it out"
        raise UsageError(f"task.parser={parser} does not read answers of kind {name}: {fix}")
    metric = s.metric
    if metric != AUTO and name != "short":
        raise UsageError(f"task.metric={metric} is of short answers, and these are of kind {name}: leave it out")
    if metric == AUTO:
        answered = [row for row in rows if row.answers]
        full = bool(answered) and all(len(row.answers) == ANNOTATORS for row in answered)
        metric = "vqa" if full else next(iter(METRICS))
    return form(How(parser, metric, s.tolerance, s.absolute))


def _questions(part: Part, s: Settings, kind: Kind, parts: Sequence[Part]) -> Iterator[Question]:
    columns, prompt = part.columns, s.prompt or kind.prompt
    names = list(dict.fromkeys(n for row in part.rows if isinstance(row, Row) for n in row.cells))
    for wanted in NAME.findall(prompt):
        if wanted not in ("question", "options", "hint", *names):
            raise UsageError(f"task.prompt: {{{wanted}}} is no column of {part.table.name}: {nearest(wanted, names)}")
    finder, naming = _finder(part, s)
    convention = _convention(part, s) if kind.name in PLACED else ""
    first = _counted_from(part, s) if kind.name == "choice" else None
    clash = sum(p.table.stem == part.table.stem for p in parts) > 1
    stem = re.sub(r"\.\w+(\.gz)?$", "", part.table.name) if clash else part.table.stem
    for number, row in enumerate(part.rows, 1):
        name = f"{stem}:{number}"
        if isinstance(row, str):
            yield Question(name, f"local:{name}", fault=row)
            continue
        own = _text(row.cells, columns, "id") or name
        group = _text(row.cells, columns, "group") or "all"
        cluster, pictures = f"local:{name}", []
        try:
            pictures = _pictures(row, columns, finder, naming, name)
            cluster = _cluster(row, columns, pictures, cluster)
            asked = _asked(row, columns, prompt)
            placed(asked, pictures)
            plain = Question(
                own, cluster, group, row.question, options=tuple(row.options), asked=asked,
                images=tuple(p.name for p in pictures), pictures=tuple(pictures),
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


def _convention(part: Part, s: Settings) -> str:
    """How boxes are written. Raises UsageError where pixels could be corners, or a corner with a size."""
    if s.bbox != AUTO:
        return s.bbox
    boxes = [b for row in part.rows if isinstance(row, Row) and (b := row.numbers)]
    if boxes and all(0 <= v <= 1 for box in boxes for v in box):
        return "xyxy_normalized"
    if any(b[0] >= b[2] or b[1] >= b[3] for b in boxes):
        return "xywh_pixels"
    raise UsageError(
        f"the boxes of {part.table.name} could be two corners, or a corner with width and height: say "
        "task.bbox=xyxy_pixels or task.bbox=xywh_pixels"
    )


def _counted_from(part: Part, s: Settings) -> int | None:
    """The number of the first option where answers are numbers of options; None where they are letters or texts.

    Raises UsageError where they could count from 0 or from 1, or could be an option's own text.
    """
    rows = [row for row in part.rows if isinstance(row, Row) and row.answers]
    whole = [re.fullmatch(r"\d+", text(row.answers[0])) for row in rows]
    if not rows or not all(whole):
        if s.counted_from is not None:
            raise UsageError(
                f"task.counted_from={s.counted_from}, but not all answers of {part.table.name} are numbers"
            )
        return None
    if s.counted_from is not None:
        return s.counted_from
    if all(text(row.answers[0]) in row.options for row in rows):
        if not any(int(text(row.answers[0])) <= len(row.options) for row in rows):
            return None
        raise UsageError(
            f"the answers of {part.table.name} could be options or numbers of options: give letters, or say "
            "task.counted_from=0 or 1"
        )
    at = [(int(text(row.answers[0])), len(row.options)) for row in rows]
    if any(n == 0 for n, _ in at):
        return 0
    if any(n == count for n, count in at):
        return 1
    raise UsageError(
        f"the answers of {part.table.name} are numbers of options, counted from 0 or from 1: say task.counted_from=0 "
        "or 1"
    )


def _text(cells: Mapping[str, Any], columns: Columns, role: str) -> str:
    names = columns.get(role, ())
    value = cells.get(names[0]) if names and names[0] != NONE else None
    return text(value) if isinstance(value, str | int | float) else ""


def _unique(records: Sequence[Question]) -> list[Question]:
    """The same records; an id that occurs again is a fault of the later row."""
    seen: set[str] = set()
    out = []
    for number, r in enumerate(records, 1):
        if r.id in seen:
            fault = (
                r.fault or f"id {r.id} occurs twice: give each row its own, or name another column by task.columns.id"
            )
            r = Question(f"{r.id}#{number}", r.cluster, r.group, fault=fault)
        seen.add(r.id)
        out.append(r)
    return out


def parts_of(record: Question) -> list[str | Picture]:
    """What the model is asked, pictures where they belong."""
    return placed(record.asked, record.pictures)

"""From rows of any known layout to records. A bad row becomes a record with a fault, a bad table one UsageError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.core import Picture, UsageError
from harness.records import Named, unreadable
from harness.tasks.pope.scoring import SPLITS

FIELDS: dict[str, tuple[str, ...]] = {
    "question_id": ("question_id", "id"),
    "question": ("question", "prompt", "text"),
    "label": ("label", "answer"),
    "image": ("image_source", "image_name", "file_name", "image"),
}
"""Each field's names in the layouts: official JSON (text, label, image), lmms-lab/POPE (question, answer,
image_source), answer files joined to their questions (prompt or question, then `text` is the model's answer)."""
SPLIT_FIELDS = ("category", "split")


@dataclass(frozen=True)
class Table:
    """Rows of one file. `split` holds for all of them; None: each row names its own."""

    where: str
    rows: Sequence[Any]
    split: str | None = None


@dataclass(frozen=True)
class PopeQuestion:
    """One question, or what is wrong with its row (`fault`)."""

    id: str
    split: str
    cluster: str
    question_id: str = ""
    image: str = ""
    question: str = ""
    label: str = ""
    picture: Picture | None = field(default=None, repr=False)
    fault: str = ""


class _Bad(Exception):
    """Why a row cannot be used."""


Find = Callable[[str, Any], Named]
"""(image name, the row's cell with bytes or None) -> picture."""


def parse(table: Table, data: str, find: Find) -> Iterator[PopeQuestion]:
    """The table's records, in order. Raises UsageError if a whole column is missing."""
    columns = _columns(table)
    joined = columns["question"] == "prompt"
    for number, row in enumerate(table.rows, 1):
        where = f"{table.where}, row {number}"
        split, name, qid = table.split or "unknown", f"row{number}", ""
        cluster = f"{data}:{table.where}:row{number}"
        try:
            if reason := unreadable(row):
                raise _Bad(reason)
            split = table.split or _split(row)
            name = qid = _question_id(row, columns["question_id"])
            image, cell = _image(row, columns["image"])
            picture = find(image, cell)
            cluster = cluster_of(picture.place, data)
            question = _string(row, columns["question"])
            label = _string(row, columns["label"]).strip().lower()
            if label not in ("yes", "no"):
                raise _Bad(f"field {columns['label']} is {label[:40]!r}, not yes or no")
            if joined and "?" in question:
                question = question[: question.index("?") + 1]
            yield PopeQuestion(f"{split}:{qid}", split, cluster, qid, image, question, label, picture)
        except _Bad as e:
            yield PopeQuestion(f"{split}:{name}", split, cluster, qid, fault=f"{where}: {e}")


def unique(records: Sequence[PopeQuestion]) -> list[PopeQuestion]:
    """The same records; a question id that occurs again in its split is a fault of the later row."""
    seen: set[str] = set()
    out = []
    for number, r in enumerate(records, 1):
        if r.id in seen:
            fault = r.fault or f"question_id {r.question_id} occurs twice in split {r.split}"
            r = PopeQuestion(f"{r.id}#{number}", r.split, r.cluster, r.question_id, fault=fault)
        seen.add(r.id)
        out.append(r)
    return out


def cluster_of(place: str, data: str) -> str:
    """A global name: COCO ids are shared by every task on COCO, whatever the split or year in the file name. `place`
    is a picture's path without suffix."""
    if match := re.fullmatch(r"(?:COCO_\w+?_)?(\d{12})", place.rpartition("/")[2]):
        return f"coco:{match[1]}"
    return f"{'embedded' if data == 'calibration' else data}:{place}"


def _columns(table: Table) -> dict[str, str]:
    there = dict.fromkeys(key for row in table.rows if isinstance(row, dict) for key in row)
    if not there:
        why = f" (row 1 {reason})" if table.rows and (reason := unreadable(table.rows[0])) else ""
        raise UsageError(f"{table.where} holds no questions{why}: give a file with {', '.join(FIELDS)} in each row")
    columns = {}
    for name, aliases in FIELDS.items():
        found = next((a for a in aliases if a in there), None)
        if found is None:
            raise UsageError(
                f"{table.where} has no column {' or '.join(aliases)}: its columns are {', '.join(map(str, there))}"
            )
        columns[name] = found
    if table.split is None and not any(s in there for s in SPLIT_FIELDS):
        raise UsageError(
            f"{table.where} does not say which split a row belongs to: add a column category with {', '.join(SPLITS)}, "
            "or put the split in the file's name"
        )
    return columns


def _present(row: dict[str, Any], key: str) -> Any:
    if key not in row:
        raise _Bad(f"field {key} is missing")
    if row[key] is None:
        raise _Bad(f"field {key} is null")
    return row[key]


def _string(row: dict[str, Any], key: str) -> str:
    value = _present(row, key)
    if not isinstance(value, str):
        raise _Bad(f"field {key} is {str(value)[:40]} ({type(value).__name__}), not text")
    if not value.strip():
        raise _Bad(f"field {key} is empty")
    return value


def _split(row: dict[str, Any]) -> str:
    key = next((s for s in SPLIT_FIELDS if s in row), SPLIT_FIELDS[0])
    value = _string(row, key)
    if value not in SPLITS:
        raise _Bad(f"field {key} is {value[:40]!r}, not {', '.join(SPLITS)}")
    return value


def _question_id(row: dict[str, Any], key: str) -> str:
    value = _present(row, key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise _Bad(f"field {key} is {str(value)[:40]!r} ({type(value).__name__}), not a number or name")
    return str(value)


def _image(row: dict[str, Any], key: str) -> tuple[str, Any]:
    """The image's name and, where the row carries pixels, the cell that holds them."""
    cell = row.get("image")
    cell = None if isinstance(cell, str) else cell
    if key == "image" and isinstance(cell, dict) and isinstance(cell.get("path"), str):
        return cell["path"], cell
    if key != "image" and "image" in row and cell is None and not isinstance(row["image"], str):
        raise _Bad("field image is null")
    return _string(row, key), cell

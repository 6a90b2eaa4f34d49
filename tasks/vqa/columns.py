"""Which column of a table holds what: by the usual names, or as `task.columns` says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.answers.layouts import IMAGES, LABELS
from harness.core import UsageError
from harness.core.errors import near
from harness.tasks.vqa.pictures import holds, listed

MORE = ("imgname", "img_name", "imageid", "filename", "file")
"""Of ChartQA, GQA and others."""
ROLES: dict[str, tuple[str, ...]] = {
    "question": ("question", "prompt", "query", "instruction", "problem", "text"),
    "answer": ("answer", "answers", "multiple_choice_answer", *LABELS),
    "image": ("image", "images", "picture", "pictures", "img", "photo", "decoded_image", *IMAGES[1:], *MORE),
    "options": ("options", "choices", "candidates"),
    "id": ("id", "question_id", "qid", "questionid", "sample_id", "pid", "index"),
    "group": ("group", "category", "l2-category", "split", "topic", "subject"),
    "cluster": ("cluster",),
    "hint": ("hint",),
    "box": ("bbox", "box"),
}
"""Role -> the usual names of its column, in small letters."""
NEEDED = ("question", "answer", "image", "box")
"""Roles whose column must be the only one with such a name: a wrong one would change every score."""
NONE = "none"
"""The table has no such column: `task.columns.image=none` are questions without pictures."""
LETTER = re.compile(r"(?:option[_ ]?)?([A-H])", re.IGNORECASE)
NUMBERED = re.compile(r"(?:image|img|picture)[_ ]?(\d+)", re.IGNORECASE)
Columns = dict[str, tuple[str, ...]]
"""Role -> columns. The pictures of a row may lie in several, and so may its options."""


def columns(where: str, rows: Sequence[Mapping[str, Any]], given: Mapping[str, Sequence[str]]) -> Columns:
    """The columns of a table.

    Args:
        where: What to call the table.
        given: Role -> columns, as the user says.

    Raises:
        UsageError: a column that is given is not there; several could be meant.
    """
    there = list(dict.fromkeys(name for row in rows for name in row))
    found: Columns = {}
    for role, names in ROLES.items():
        if tuple(given.get(role, ())) == (NONE,) and NONE not in there:
            found |= {role: (NONE,)} if role == "image" else {}
        elif role in given:
            found[role] = tuple(given[role])
            _check(where, role, found[role], there)
        elif role == "options" and (letters := lettered(there)):
            found[role] = letters
        elif role == "image" and (numbers := [c for c in there if NUMBERED.fullmatch(c)]):
            found[role] = tuple(sorted(numbers, key=lambda c: int(NUMBERED.fullmatch(c)[1])))  # pyright: ignore
        elif fit := [c for n in names for c in there if c.lower() == n and not _empty(rows, c)]:
            found[role] = (_one(where, role, fit, rows),)
    return found


def lettered(there: Sequence[str]) -> tuple[str, ...]:
    """Columns A, B, C ... (or option_a ...) that hold one option each, from A on without a gap."""
    known = {m[1].upper(): c for c in there if (m := LETTER.fullmatch(c)) and (len(c) > 1 or c.isupper())}
    count = next((i for i in range(8) if chr(ord("A") + i) not in known), 8)
    return tuple(known[chr(ord("A") + i)] for i in range(count)) if count > 1 else ()


def missing(where: str, role: str, there: Sequence[str], more: str = "") -> UsageError:
    """The error for a table without a column that is needed."""
    names = ", ".join(ROLES[role][:4])
    return UsageError(
        f"{where} has no column for the {role} ({names} ...): its columns are {', '.join(map(str, there[:20]))}; name "
        f"it by task.columns.{role}=COLUMN{more}"
    )


def _check(where: str, role: str, names: Sequence[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            hint = near(name, there) or f"its columns are {', '.join(there[:20])}"
            raise UsageError(f"task.columns.{role}={name} is not a column of {where}: {hint}")


def _one(where: str, role: str, fit: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Of several candidates the one that is meant. Raises UsageError where that is open."""
    if role == "group":
        return next((c for c in fit if len({str(r.get(c)) for r in rows}) > 1), fit[0])
    if role == "id":
        return next((c for c in fit if len({str(r.get(c)) for r in rows}) == len(rows)), fit[0])
    if role == "image":
        holding = [c for c in fit if any(_pixels(r.get(c)) for r in rows)]
        fit = holding[:1] or fit
    if role not in NEEDED or len(fit) == 1:
        return fit[0]
    best = max(fit, key=lambda c: isinstance(next((r[c] for r in rows if r.get(c) is not None), None), list))
    for other in fit:
        if not all(_within(row.get(other), row.get(best)) for row in rows):
            raise UsageError(
                f"{where} has columns {' and '.join((best, other))}, and both could hold the {role}: choose by "
                f"task.columns.{role}={best} or {other}"
            )
    return best


def names_of_pictures(there: Sequence[str], picture: str) -> list[str]:
    """Columns that may name the picture whose pixels lie in another column."""
    return [c for c in there if c.lower() in IMAGES and c != picture]


def _empty(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    return all(row.get(column) in (None, "") for row in rows)


def _pixels(cell: Any) -> bool:
    """Whether a cell holds a picture itself, and not its name."""
    found = listed(cell)
    return bool(found) and (holds(found[0]) or not isinstance(found[0], str | int | float))


def _within(value: Any, other: Any) -> bool:
    """Whether a cell is the other one, or one of its values."""
    return value == other or value is None or (isinstance(other, list) and value in other)

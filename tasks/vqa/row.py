"""A row's cells by their role, before they are read as a question of some kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.tasks.stare.parsers import options
from harness.tasks.vqa.columns import NONE, Columns
from harness.tasks.vqa.kinds.kind import text
from harness.tasks.vqa.pictures import listed


@dataclass(frozen=True)
class Row:
    """One row with a question. `place` names it for messages; `inline` says that the question lists the options."""

    place: str
    question: str
    answers: Sequence[Any] = ()
    options: Sequence[str] = ()
    inline: bool = False
    box: Any = None
    cells: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def numbers(self) -> list[float]:
        """A box: the four numbers of its own column, or of the answer. Empty where there are none."""
        found = listed(self.box) if self.box is not None else list(self.answers)
        if len(found) == 1 and isinstance(found[0], list | tuple):
            found = list(found[0])
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in found)
        return [float(v) for v in found] if numeric and len(found) == 4 else []


def row_of(place: str, cells: Mapping[str, Any], columns: Columns) -> Row:
    """The row, without a look at whether it is complete."""
    question = _cell(cells, columns, "question")
    asked = text(question) if isinstance(question, str | int | float) else ""
    found = [text(v) for name in columns.get("options", ()) for v in listed(cells.get(name))]
    inline = {} if found else options(asked)
    if list(inline) != [chr(ord("A") + i) for i in range(len(inline))] or len(inline) < 2:
        inline = {}
    answers = [_annotation(v) for v in listed(_cell(cells, columns, "answer"))]
    box = _cell(cells, columns, "box")
    return Row(
        place,
        asked,
        [a for a in answers if a not in (None, "")],
        found or list(inline.values()),
        bool(inline),
        box,
        cells,
    )


def _cell(cells: Mapping[str, Any], columns: Columns, role: str) -> Any:
    names = columns.get(role, ())
    return cells.get(names[0]) if names and names[0] != NONE else None


def _annotation(value: Any) -> Any:
    """VQAv2 writes each annotator's answer as an object."""
    return value.get("answer") if isinstance(value, Mapping) else value.strip() if isinstance(value, str) else value

"""A row's cells by their role, before they are read as a question of some kind."""

from __future__ import annotations

import re
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
    fault: str = ""
    cells: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def numbers(self) -> list[float]:
        """A box: the four numbers of its own column, or of the answer. Empty where there are none."""
        found = listed(self.box) if self.box is not None else list(self.answers)
        if len(found) == 1 and isinstance(found[0], list | tuple | str):
            found = listed(found[0])
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in found)
        return [float(v) for v in found] if numeric and len(found) == 4 else []


def row_of(place: str, cells: Mapping[str, Any], columns: Columns) -> Row:
    """The row, without a look at whether it is complete."""
    question = _cell(cells, columns, "question")
    asked = text(question) if isinstance(question, str | int | float) else ""
    names = columns.get("options", ())
    filled = [bool(listed(cells.get(name))) for name in names]
    gap = (
        ""
        if sorted(filled, reverse=True) == filled
        else f"column {names[filled.index(False)]} is empty between options"
    )
    found = unlettered([text(v) for name in names for v in _options(cells.get(name))])
    inline = {} if found else options(asked)
    if list(inline) != [chr(ord("A") + i) for i in range(len(inline))] or len(inline) < 2:
        inline = {}
    answers, box = _answers(_cell(cells, columns, "answer")), _cell(cells, columns, "box")
    return Row(place, asked, answers, found or list(inline.values()), bool(inline), box, gap, cells)


def _options(cell: Any) -> list[Any]:
    """A list; a map from letters; or lists of letters and of texts, as ARC has them."""
    if isinstance(cell, Mapping):
        texts = cell.get("text")
        return list(texts) if isinstance(texts, list) else [v for _, v in sorted(cell.items()) if v is not None]
    return listed(cell)


def unlettered(found: Sequence[str]) -> list[str]:
    """Options without their own letters ("A. red"), where each has its own."""
    own = [re.match(rf"\(?{chr(ord('A') + i)}[.):]\s*(?=\S)", o) for i, o in enumerate(found[:26])]
    return [o[m.end() :] for o, m in zip(found, own, strict=False) if m] if found and all(own) else list(found)


def _answers(cell: Any) -> list[Any]:
    """The right ones: a text that is a list of numbers is one answer, a list of texts is several."""
    found = listed(cell)
    if isinstance(cell, str) and not all(isinstance(v, str | Mapping) for v in found):
        found = [cell.strip()]
    plain = [v.get("answer") if isinstance(v, Mapping) else v for v in found]
    stripped = [v.strip() if isinstance(v, str) else v for v in plain]
    return [v for v in stripped if v not in (None, "")]


def _cell(cells: Mapping[str, Any], columns: Columns, role: str) -> Any:
    names = columns.get(role, ())
    return cells.get(names[0]) if names and names[0] != NONE else None

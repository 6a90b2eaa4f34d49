"""What numbers mean: boxes as corners or with a size, options counted from 0 or from 1."""

from __future__ import annotations

import re

from harness.core import UsageError
from harness.tasks.vqa.kinds.kind import text
from harness.tasks.vqa.part import Part
from harness.tasks.vqa.row import Row
from harness.tasks.vqa.settings import AUTO, Settings


def convention_of(part: Part, s: Settings) -> str:
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


def counted_from(part: Part, s: Settings) -> int | None:
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

"""What kind of questions a table asks, where its rows leave no doubt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core import UsageError
from harness.tasks.vqa.kinds.kind import text
from harness.tasks.vqa.kinds.number import value
from harness.tasks.vqa.row import Row

MOST = 0.8
"""Share of rows from which on the others look like mistakes."""
WORDS = 6
"""Words of a short answer at most."""
CHOOSE = "choose by task.kind=yesno, choice, short, number, box, point or free"


@dataclass(frozen=True)
class _Test:
    kind: str
    says: str
    fits: Callable[[Row], bool]


def _yesno(row: Row) -> bool:
    return len(row.answers) == 1 and text(row.answers[0]).lower().rstrip(".") in ("yes", "no")


def _letter(row: Row) -> bool:
    said = text(row.answers[0]).strip("(). ") if len(row.answers) == 1 else ""
    return len(said) == 1 and said.isascii() and said.isupper()


def _number(row: Row) -> bool:
    try:
        return len(row.answers) == 1 and value(text(row.answers[0])) is not None
    except ValueError:
        return False


TESTS = (
    _Test("choice", "have options", lambda row: len(row.options) > 1),
    _Test("yesno", "are answered by yes or no", _yesno),
    _Test("number", "are answered by a number", _number),
)
"""In this order; what fits all rows is the kind."""


def recognised(rows: Sequence[Row], where: str) -> str:
    """The name of the kind. Raises UsageError, which says between what it could not decide.

    Args:
        rows: Those that have a question.
        where: What to call them.
    """
    if not any(row.answers for row in rows):
        if any(row.box for row in rows):
            raise UsageError(f"{where} gives boxes: choose task.kind=box (IoU) or task.kind=point (a click inside)")
        raise UsageError(f"{where} has no answers: store what models say, unscored, by task.kind=free")
    rows = [row for row in rows if row.answers]
    if all(len(row.numbers) == 4 for row in rows):
        raise UsageError(
            f"the answers of {where} are boxes: choose task.kind=box (IoU) or task.kind=point (a click inside)"
        )
    said = {text(a).lower() for row in rows for a in row.answers}
    for pair, other in ((("false", "true"), "short (as words)"), (("0", "1"), "number")):
        if said <= {*pair} and len(rows) > 1:
            raise UsageError(
                f"the answers of {where} are {' and '.join(pair)}: say task.kind=yesno if they mean no and yes, or "
                f"task.kind={other}"
            )
    if odd := next(
        (row for row in rows if len(row.answers) > 1 and not any(isinstance(a, str) for a in row.answers)), None
    ):
        raise UsageError(
            f"{odd.place} of {where} has a list of numbers: say task.kind=number where any of them is right, or give a "
            "box by task.columns.box=COLUMN"
        )
    for test in TESTS:
        fitting = sum(map(test.fits, rows))
        if fitting == len(rows):
            return test.kind
        if fitting >= MOST * len(rows):
            odd = next(row for row in rows if not test.fits(row))
            said = ", ".join(text(a) for a in odd.answers)[:40]
            raise UsageError(
                f"{fitting} of {len(rows)} rows of {where} {test.says}, but not {odd.place} (answer {said!r}): correct "
                f"it, or {CHOOSE}"
            )
    if count := sum(len(row.options) > 1 for row in rows):
        raise UsageError(
            f"{count} of {len(rows)} rows of {where} have options: choose task.kind=choice for these (the others "
            "become error rows), or task.kind=short for all, without options"
        )
    if all(map(_letter, rows)):
        raise UsageError(
            f"the answers of {where} are letters, but no row has options: name their column by "
            f"task.columns.options=COLUMN, or {CHOOSE}"
        )
    longest = max(rows, key=lambda row: max(len(text(a).split()) for a in row.answers))
    if (count := max(len(text(a).split()) for a in longest.answers)) > WORDS:
        raise UsageError(
            f"{longest.place} of {where} has an answer of {count} words: choose task.kind=short where answers are "
            "compared as they are, or task.kind=free where a judge reads them"
        )
    return "short"

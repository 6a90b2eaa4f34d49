"""Which field holds what the model said. The label and the prompt stand beside it, under names that fit as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from harness.answers.content import Asked, plain, words
from harness.answers.layouts import (
    ANSWERS,
    IDS,
    IMAGES,
    KEYLIKE,
    LABELS,
    QUESTIONS,
    SHARED,
    SPLITS,
    SPOKEN,
    recognised,
)
from harness.answers.rows import Rows, at, kind
from harness.core.errors import UsageError

FEW, ENOUGH, MANY = 5, 10, 100
"""Rows from which on equal labels are no accident: with another field that answers, with more than an id beside them,
and without."""
KNOWN = {*IDS, *ANSWERS, *LABELS, *QUESTIONS, *IMAGES, *SPLITS}


@dataclass(frozen=True)
class Choice:
    """The field with the answers, the published layout that says so ("" for none), its fields with the label, and all
    fields that could have been the answer and are not."""

    answer: str
    layout: str = ""
    labels: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()


def chosen(
    rows: Rows, asked: Asked, pairs: list[tuple[int, int]], given: str | None, *, labels: bool, question: bool
) -> Choice:
    """`pairs` are (row, sample); `labels` allows a field that equals the labels; `question`: the rows hold theirs.

    Raises:
        UsageError: if no field fits, two do, or the only one is the label.
    """

    def equals(field: str, form: Any = plain) -> bool:
        """Whether the field is the label, in every row that has it."""
        seen = [(v, j) for i, j in pairs if (v := at(rows.rows[i], field)) is not None]
        return bool(seen) and all(form(v) == form(asked.samples[j].target) for v, j in seen)

    several = len({asked.targets[j] for _, j in pairs}) > 1
    there = [f for f in ANSWERS if f in rows.fields]
    if given is not None:
        if all(at(r, given) is None for r in rows.rows):
            raise UsageError(
                f"{rows.path} has no field {given} (fields: {', '.join(rows.fields)}): name another one by "
                "model.answer_field=FIELD"
            )
        named = given in LABELS or (given in KEYLIKE and len(there) > 1)
        if named and not labels and several and equals(given):
            raise UsageError(_labels(rows, given, there))
        layout = recognised(rows.fields)
        return Choice(given, layout.name if layout and layout.answer == given else "")
    if (layout := recognised(rows.fields)) and not _rivals(rows, layout.answer):
        passed = tuple(f for f in (*layout.labels, *layout.beside) if f in rows.fields)
        return Choice(layout.answer, layout.name, layout.labels, passed)
    prompts = [f for f in there if _asks(rows, asked, pairs, f)]
    left = [f for f in there if f not in prompts]
    if len(left) > 1 and several and len(pairs) >= ENOUGH:
        keys = [f for f in left if equals(f)]
        left = [f for f in left if f not in keys] or left
        prompts += [f for f in keys if f not in left]
    if not left:
        repeated = f"; {', '.join(prompts)} repeats the question" if prompts else ""
        raise UsageError(
            f"{rows.path} has no field for the answer (fields: {', '.join(rows.fields)}{repeated}): name it by "
            "model.answer_field=FIELD"
        )
    if len(left) > 1 and any(_differ(rows, f, left[0]) for f in left[1:]):
        raise UsageError(_several(rows, left))
    field = min(left, key=KEYLIKE.__contains__)  # of fields that say the same, one that is not called like a key
    if rivals := _rivals(rows, field):
        raise UsageError(_several(rows, [field, *rivals]))
    others = [f for f in rows.fields if f not in KNOWN]  # one of them may hold the model's words
    answering = [f for f in others if _answers(rows, asked, f)]
    key = field in (SHARED if answering else KEYLIKE) and several and not labels
    listed = all(isinstance(at(r, field), list) for r in rows.rows)  # as data sets list labels
    least = FEW if answering else ENOUGH if question or listed or others else MANY
    if key and len(pairs) >= least and equals(field, plain if others else _verbatim):
        raise UsageError(_labels(rows, field, [*there, *answering]))
    return Choice(field, passed=tuple(prompts))


def _several(rows: Rows, left: Sequence[str]) -> str:
    return (
        f"{rows.path} has {len(left)} fields that may be the answer ({', '.join(left)}): choose one with "
        "model.answer_field=FIELD"
    )


def _differ(rows: Rows, field: str, other: str) -> bool:
    return any(plain(at(r, field)) != plain(at(r, other)) for r in rows.rows)


def _rivals(rows: Rows, field: str) -> list[str]:
    """Fields of unknown names that say that a model wrote them, where `field` may hold something else; beside a caption
    also those with sentences: no label tells whether a human or a model wrote which."""
    if field not in SHARED:
        return []
    found = []
    for other in (f for f in rows.fields if f not in KNOWN):
        texts = [t for r in rows.rows[:100] if isinstance(t := at(r, other), str)]
        sentences = field == "caption" and 2 * sum(len(words(t).split()) > 2 for t in texts) > len(texts)
        if texts and (sentences or SPOKEN.fullmatch(other.lower())) and _differ(rows, other, field):
            found.append(other)
    return found


def _answers(rows: Rows, asked: Asked, field: str) -> bool:
    """Whether most texts of a field hold one of the labels, as what a model said does."""
    labels = {words(t) for t in asked.targets} - {""}
    texts = [words(t) for r in rows.rows[:100] if isinstance(t := at(r, field), str)]
    return bool(texts) and 2 * sum(any(f" {t} " in f" {said} " for t in labels) for said in texts) > len(texts)


def _labels(rows: Rows, field: str, there: Iterable[str]) -> str:
    others = ", ".join(f for f in there if f != field)
    fix = f"choose another field by model.answer_field= (of {others})" if others else "give the file with the answers"
    return (
        f"{rows.path}: field {field} equals the label in every row, so it is the answer key, not a model's "
        f"answers: {fix}, or allow it by model.labels=allow"
    )


def _verbatim(value: Any) -> Any:
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else plain(value)


def _asks(rows: Rows, asked: Asked, pairs: list[tuple[int, int]], field: str) -> bool:
    """Whether the field repeats the question."""
    texts = [(t, j) for i, j in pairs[:1000] if isinstance(t := at(rows.rows[i], field), str)]
    same = sum(words(t) == asked.questions[j] != "" for t, j in texts)
    return same > len(texts) / 2


def said(value: Any) -> str | None:
    """An answer as text: numbers as they are written, a list of one as that one; None where there is none.

    Raises:
        ValueError: with what the value is, if it is not one text.
    """
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is None or value != value or value == []:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    raise ValueError(kind(value))

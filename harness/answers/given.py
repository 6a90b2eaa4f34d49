"""The answers of a file for the samples of a task, and what is to be said about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.answers.content import Asked, plain
from harness.answers.contents import Contents
from harness.answers.fields import Choice, chosen, said
from harness.answers.files import read
from harness.answers.fit import Fit
from harness.answers.layouts import LABELS, RUN
from harness.answers.matching import matched
from harness.answers.rows import Rows, at
from harness.core.errors import UsageError
from harness.core.types import Sample

DISAGREE = 0.1
"""Share of rows whose own label may differ from their sample's: revisions of records differ in few."""


@dataclass(frozen=True)
class Settings:
    """Fields that are None are found. `labels` allows answers that equal the labels, `match`: see `matched`."""

    id_field: str | None = None
    answer_field: str | None = None
    labels: bool = False
    match: str = "content"


@dataclass(frozen=True)
class Given:
    """`answers` by sample id; `absent`: sample id -> why its row has none; `facts` for the record of the run."""

    answers: dict[str, str]
    absent: dict[str, str]
    facts: dict[str, Any]

    @property
    def lines(self) -> list[str]:
        """For the terminal: which fields were read, and how many rows were of use."""
        f = self.facts
        layout = f["layout"] or "no known layout"
        passed = f"; not read: {', '.join(f['not_read'])}" if f["not_read"] else ""
        counts = [f"{f['used']} of {f['rows']} rows used"]
        counts += [f"{n} {why}{_first(f, why)}" for why, n in f["unused"].items()]
        counts += [f"{f['missing']} of the task's {f['samples']} samples have no answer"]
        return [
            f"{f['file']} ({f['form']}, {layout}): samples by {f['samples_by']}, "
            f"answers from {f['answer_field']}{passed}",
            f"{f['file']}: {', '.join(counts)}",
        ]


def _first(facts: dict[str, Any], why: str) -> str:
    return f" (the first: {facts['first_unused'][why]})" if why in facts["first_unused"] else ""


def given(path: Path, samples: Iterable[Sample], groups: Iterable[str], settings: Settings) -> Given:
    """Read the file and match it.

    Raises:
        UsageError: in one line that names the file, and the row where there is one.
        Missing: for a workbook without openpyxl.
    """
    rows = read(path)
    if not len(rows):
        raise UsageError(f"{path} holds no answers: it has no rows")
    asked = Asked.of(samples, groups)
    fit, contents = matched(rows, asked, settings.id_field, settings.match)
    pairs = [(i, j) for i, found in enumerate(fit.found) for j in found]
    question = contents.question is not None
    choice = chosen(rows, asked, pairs, settings.answer_field, labels=settings.labels, question=question)
    if settings.match == "content":
        _same_labels(rows, asked, pairs, choice)
    if choice.layout == RUN:
        _one_turn(rows)
    answers: dict[str, str] = {}
    absent: dict[str, str] = {}
    told: dict[str, int] = {}
    for i, j in pairs:
        sample, value = asked.samples[j], at(rows.rows[i], choice.answer)
        try:
            text = said(value)
        except ValueError as e:
            raise UsageError(_no_text(rows, i, choice.answer, value, str(e))) from None
        if text is None:
            absent.setdefault(sample.id, f"{rows.where(i)} has no text in {choice.answer}")
        elif answers.setdefault(sample.id, text) != text:
            raise UsageError(_twice(rows, told[sample.id], i, sample.id))
        else:
            told.setdefault(sample.id, i)
    absent = {id_: why for id_, why in absent.items() if id_ not in answers}
    return Given(answers, absent, _facts(rows, asked, contents, fit, choice, answers))


def _one_turn(rows: Rows) -> None:
    """Raises UsageError where an episode took several turns: its answer is the last one's alone."""
    for i, row in enumerate(rows.rows):
        if (row.get("calls") or 0) > 1:
            raise UsageError(
                f"{rows.where(i)} belongs to an episode of {row['calls']} turns and holds only the last answer: score "
                "it again with harness rescore RUN"
            )


def _facts(
    rows: Rows, asked: Asked, contents: Contents, fit: Fit, choice: Choice, answers: dict[str, str]
) -> dict[str, Any]:
    unused = {
        "match no sample": fit.unknown,
        "are of another split": fit.foreign,
        "ask something else than their sample": [i for i, _ in fit.other],
    }
    checked = [f for f in (contents.question, contents.image, contents.split) if f]
    return {
        "file": rows.path.name,
        "form": rows.form,
        "layout": choice.layout,
        "samples_by": fit.by + (f" ({contents.of_file}, by the name of the file)" if fit.by_name else ""),
        "checked_by": checked if fit.agreed or contents.split else [],
        "answer_field": choice.answer,
        "not_read": list(choice.passed),
        "rows": len(rows),
        "used": fit.used,
        "unused": {why: len(places) for why, places in unused.items() if places},
        "first_unused": {why: _called(rows, fit, places[0]) for why, places in unused.items() if places},
        "samples": len(asked.samples),
        "missing": len(asked.samples) - len(answers),
    }


def _called(rows: Rows, fit: Fit, i: int) -> str:
    """A row with its place and id."""
    value = at(rows.rows[i], fit.by)
    return f"{rows.places[i]}, {fit.by}={str(value)[:60]}" if value is not None else rows.places[i]


def _same_labels(rows: Rows, asked: Asked, pairs: list[tuple[int, int]], choice: Choice) -> None:
    """Raises UsageError where rows carry labels, and too many are not their sample's."""
    known = set(asked.targets)
    for key in (f for f in (*LABELS, *choice.labels) if f in rows.fields and f != choice.answer):
        held = [(i, j, plain(rows.rows[i].get(key))) for i, j in pairs]
        held = [(i, j, label) for i, j, label in held if label]
        wrong = [(i, j, label) for i, j, label in held if label != asked.targets[j]]
        if len(held) >= 10 and len(wrong) > DISAGREE * len(held) and all(label in known for *_, label in held):
            i, j, label = wrong[0]
            raise UsageError(
                f"{rows.where(i)} has {key}={label[:60]!r}, but the label of sample {asked.samples[j].id} is "
                f"{asked.targets[j][:60]!r}: {len(wrong)} of {len(held)} rows do not belong to their samples; give the "
                "answers to these records, or trust the ids with model.match=id"
            )


def _no_text(rows: Rows, i: int, field: str, value: Any, what: str) -> str:
    texts = [k for k, v in value.items() if isinstance(v, str)] if isinstance(value, dict) else []
    fix = f"for the text in it give model.answer_field={field}.{texts[0]}" if texts else "give one text per row"
    return f"{rows.where(i)}: field {field} holds {what}, not the text of an answer: {fix}"


def _twice(rows: Rows, before: int, i: int, id_: str) -> str:
    filters = {str(rows.rows[k].get("filter")) for k in (before, i)}
    if len(filters) > 1:
        return (
            f"{rows.where(i)} answers {id_} again, with a different answer: keep the rows of one filter "
            f"({', '.join(sorted(filters))}), or score the raw answers by model.answer_field=resps"
        )
    first = rows.places[before]
    return f"{rows.where(i)} answers {id_} again, with a different answer (first {first}): remove one of them"

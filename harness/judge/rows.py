"""A judge's scores on a run's results: put there, and taken off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.core.types import Result
from harness.judge.judge import PREFIX, Judge

DETAILS = "judge"
"""Key of `Outcome.details` that holds what the judge said."""


def is_judges(name: str) -> bool:
    """Whether a score or a metric is a judge's."""
    return name.startswith(PREFIX)


def bare(row: Result) -> Result:
    """A result without what any judge gave it."""
    if row.outcome is None or not (DETAILS in row.outcome.details or any(map(is_judges, row.outcome.scores))):
        return row
    kept = {k: v for k, v in row.outcome.scores.items() if not is_judges(k)}
    details = {k: v for k, v in row.outcome.details.items() if k != DETAILS}
    return replace(row, outcome=replace(row.outcome, scores=kept, details=details))


def marked(row: Result, said: Result, judge: Judge) -> Result:
    """The result with what the judge said of it: a score where its reply holds a verdict, and the reply itself."""
    assert row.outcome is not None
    told: dict[str, Any] = {"name": judge.score}
    if said.outcome is None:
        told["error"] = said.error["message"] if said.error else "no reply"
    else:
        told |= {"verdict": said.outcome.verdict, **said.outcome.details, "raw": said.outcome.answer}
        told |= {"prompt_tokens": said.prompt_tokens, "new_tokens": said.new_tokens, "seconds": round(said.latency, 4)}
    given = dict(said.outcome.scores) if said.outcome else {}
    scores, details = {**row.outcome.scores, **given}, {**row.outcome.details, DETAILS: told}
    return replace(row, outcome=replace(row.outcome, scores=scores, details=details))

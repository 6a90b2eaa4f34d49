"""What a run says about its judge: facts of the record, metrics, and lines for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.core import score as scores
from harness.core.score import Score
from harness.core.types import Metric, Result
from harness.judge.agreement import agreement
from harness.judge.judge import Judge, kin
from harness.judge.rows import is_judges
from harness.records.means import means

MANY = 0.1
"""Share of replies without a verdict from which a reader is warned."""


def facts(
    judge: Judge, said: Sequence[Result], work: Mapping[str, int], models: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Who judged, how many answers, and at what cost. `said`: one result an answer, as the judge's questions ended;
    `work`: requests `asked` and `recalled`, and what the judge's model counted; `models`: settings of who answered."""
    failed = [r for r in said if r.outcome is None]
    unparsed = sum(r.outcome is not None and r.outcome.verdict is None for r in said)
    errors = dict.fromkeys(r.error["message"] for r in failed if r.error)
    return {
        "name": judge.model.name,
        "score": judge.score,
        **{k: judge.identity[k] for k in ("fingerprint", "max_new_tokens", "pictures")},
        "prompt": {"name": judge.template.name, "sha256": judge.template.digest},
        "answers": len(said),
        "judged": len(said) - len(failed) - unparsed,
        "unparsed": unparsed,
        "failed": len(failed),
        "errors": list(errors)[:5],
        "cost": {
            **{k: sum(getattr(r, k) for r in said) for k in ("prompt_tokens", "new_tokens", "thinking_tokens")},
            "seconds": round(sum(r.latency for r in said), 3),
            **{k: v for k, v in work.items() if k in ("asked", "recalled", "microdollars")},
        },
        "warnings": list(_warnings(judge, models, unparsed, len(said))),
    }


def _warnings(judge: Judge, models: Sequence[Mapping[str, Any]], unparsed: int, total: int) -> Iterator[str]:
    for name in dict.fromkeys(str(m.get("name")) for m in models if kin(m) == judge.family):
        yield (
            f"the judge ({judge.model.name}) and the model that answered ({name}) are of one family ({judge.family}): "
            "judges favour their own kind"
        )
    if unparsed > MANY * total:
        yield f"{unparsed} of {total} replies of the judge hold no verdict: its score is of the others alone"


def metrics(judge: Judge, rows: Sequence[Result], found: Sequence[Metric]) -> list[Metric]:
    """The mean of the judge's verdicts over all and by group; primary where the task has no primary metric."""
    first = not any(m.primary for m in found)
    answered = [r for r in rows if r.outcome]
    having = [r for r in answered if r.outcome and judge.score in r.outcome.scores]
    groups = list(dict.fromkeys(r.group for r in having))
    out = []
    for group in ("all", *(groups if len(groups) > 1 else ())):
        some = [r for r in having if group in ("all", r.group)]
        if some:
            (mean, *_) = means(some, [Score(judge.score, primary=first and group == "all")])
            out.append(replace(mean, group=group))
    if out and (lost := len(answered) - len(having)):
        note = f"{lost} of {len(answered)} answers have no verdict and are left out"
        out[0] = replace(out[0], note="; ".join(filter(None, [out[0].note, note])))
    return out


def agreeing(
    judge: Judge, declared: Sequence[Score], rows: Sequence[Result], found: Sequence[Metric]
) -> dict[str, Any] | None:
    """How the judge agrees with the task's exact score; None for a task that has none."""
    known = [n for n in scores.occurring(rows) if not is_judges(n)]
    own = [m for m in found if not is_judges(m.name)]
    if not known or not any(m.primary for m in own):
        return None
    return agreement(rows, judge.score, scores.judged(declared, own, known))


def lines(judge: Mapping[str, Any]) -> Iterator[str]:
    """What a record's `judge` says, for the terminal and the pages."""
    prompt, cost = judge.get("prompt") or {}, judge.get("cost") or {}
    counts = f"{judge.get('judged')} of {judge.get('answers')} answers judged"
    lost = [f"{judge[k]} {word}" for k, word in (("unparsed", "unparsed"), ("failed", "failed")) if judge.get(k)]
    yield f"{judge.get('score')} ({prompt.get('name')}): {', '.join([counts, *lost])}"
    for message in judge.get("errors") or ():
        yield f"failed: {message}"
    if same := judge.get("agreement"):
        share, kappa = (spoken(same.get(k) or {}) for k in ("accuracy", "kappa"))
        yield (
            f"agreement with {same.get('score')} on {same.get('n')} samples: {share}, kappa {kappa}; "
            f"too kind {same.get('too_kind')}, too strict {same.get('too_strict')}"
        )
    dollars = f", ${cost['microdollars'] / 1e6:.4f}" if cost.get("microdollars") else ""
    yield (
        f"cost: {cost.get('prompt_tokens')} prompt tokens, {cost.get('new_tokens')} new tokens, "
        f"{cost.get('seconds')} s{dollars}; {cost.get('asked')} requests asked, {cost.get('recalled')} kept from before"
    )
    for warning in judge.get("warnings") or ():
        yield f"warning: {warning}"


def spoken(estimate: Mapping[str, Any]) -> str:
    """0.912 [0.881, 0.936]; what is wrong with it where it has no value or interval."""
    value, low, high = (estimate.get(k) for k in ("value", "low", "high"))
    if value is None:
        note = estimate.get("note") or ""
        return f"undefined ({note})" if note not in ("", "undefined") else "undefined (there is but one verdict)"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"

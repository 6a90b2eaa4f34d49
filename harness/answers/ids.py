"""Some ids of a task, as `harness show task=NAME --ids` prints them: what an answer file may call its samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.answers.content import Asked
from harness.core.types import Sample

EACH, GROUPS = 3, 8
"""Samples shown of each group, and groups."""
HINT = (
    "Rows may give the id, or question_id with the group in a field split, or what they ask and show: docs/answers.md"
)


def lines(samples: Sequence[Sample], what: str) -> Iterator[str]:
    """A head, then some samples of each group with what else names them."""
    asked = Asked.of(samples, ())
    yield f"{what}: {len(samples)} samples"
    groups: dict[str, list[int]] = {}
    for j, sample in enumerate(samples):
        groups.setdefault(sample.group, []).append(j)
    for places in list(groups.values())[:GROUPS]:
        for j in places[:EACH]:
            yield f"  {_said(samples[j], asked.texts[j])}"
    if len(groups) > GROUPS:
        yield f"  ... and {len(groups) - GROUPS} more groups"
    yield HINT


def _said(sample: Sample, text: str) -> str:
    line = " ".join(text.split())
    facts = {
        "question_id": sample.data.get("question_id"),
        "image": sample.data.get("image"),
        "group": sample.group,
        "asks": repr(line if len(line) <= 80 else f"{line[:50]} ... {line[-25:]}") if line else None,
    }
    said = ", ".join(f"{k} {v}" for k, v in facts.items() if v and v != sample.id)
    return f"{sample.id}: {said}"

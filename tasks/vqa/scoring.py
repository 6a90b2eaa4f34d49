"""The metrics of a kind over all results, and over each group. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core import Metric, Result
from harness.tasks.vqa.kinds import Kind


def aggregate(kind: Kind, results: Sequence[Result]) -> list[Metric]:
    """The kind's metrics; where records have groups, also of each, without `failed`."""
    out = kind.metrics(results)
    groups = list(dict.fromkeys(r.group for r in results))
    for group in groups if len(groups) > 1 else ():
        own = [r for r in results if r.group == group and r.outcome]
        found = kind.metrics(own, group) if own else []
        out += [replace(m, primary=False) for m in found if m.name != "failed"]
    return out

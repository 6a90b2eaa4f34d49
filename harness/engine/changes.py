"""Why a run is not the run that it was: which files of code and which versions differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.runs.stored import stored

if TYPE_CHECKING:
    from harness.engine.plan import Plan

SETTINGS = ("task", "data", "model", "method", "decoding", "seed", "limit")
NAMED = 3
"""Files that a line names."""


def since(plan: Plan) -> str:
    """One line about the newest finished run of these settings that other code or versions played; "" for none."""
    wanted = {
        "task": plan.task.name,
        "data": str(plan.config["task"].get("data") or "default"),
        "model": plan.model.name,
        "method": plan.label,
        **{k: plan.identity[k] for k in ("decoding", "seed", "limit")},
    }
    keys = [k for k in SETTINGS if k != "limit" or not plan.selected]  # a record's limit then counts the selected
    for old in stored(Path(plan.config["results"])):
        record = old.record
        if not record.status.ended or any(getattr(record, k) != wanted[k] for k in keys):
            continue
        before = record.identity
        if not _same_settings(before, plan.identity):
            continue
        if "answers" not in before:
            return f"{old.name} was played before runs knew the code that they depend on"
        changed = [
            *files(_both(record.code), _both(plan.code)),
            *_versions(before.get("packages") or {}, plan.identity["packages"]),
        ]
        return f"{listed(changed)} changed since {old.name}" if changed else ""
    return ""


def files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Those that differ, or are in one only."""
    return sorted(k for k in {*before, *now} if before.get(k) != now.get(k))


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are, as words: "a, b and 3 more"."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    *head, last = [*names[:NAMED], *more]
    return f"{', '.join(head)} and {last}" if head else last


def _both(code: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {k: v for part in code.values() for k, v in part.items()}


def _versions(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = sorted({*before, *now})
    return [f"{n} ({before.get(n)} to {now.get(n)})" for n in names if before.get(n) != now.get(n)]


def _same_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    def methods(identity: Mapping[str, Any]) -> list[Any]:
        return [[m["name"], m["values"]] for m in identity.get("methods") or []]

    return (
        (before.get("task") or {}).get("fingerprint") == now["task"]["fingerprint"]
        and (before.get("model") or {}).get("fingerprint") == now["model"]["fingerprint"]
        and methods(before) == methods(now)
        and all(before.get(k) == now.get(k) for k in ("stop_early", "ids", "offset", "system", "fewshot"))
    )

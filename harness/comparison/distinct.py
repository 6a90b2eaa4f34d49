"""What tells runs apart: settings by their names, and what no setting shows (code, weights, records, versions)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.runs.record import RunRecord

LABEL = ("task", "data", "method", "model")
"""What a run's name says. Runs that agree in it have one label."""
LOCAL = {
    *("results", "logger", "executor", "retry", "batch_size", "overrides", "plugins", "hydra", "debug", "imported"),
    "max_equal_errors",
    *("stop_early", "calibration", "task.root", "task.name", "task.data", "model.name", "model.family", "model.data"),
}
"""Settings that say where and how a run was played, or what its label says. Those that change a run's answers all the
same (`stop_early`, `calibration`) are told by its identity."""
RUN = ("limit", "offset", "ids", "system", "fewshot")
"""Settings of the run that choose or change what is asked."""
UNSET = {"null", "0", "[]"}
HIDDEN = ("_target_", "_declared_", "card")
EXPLAINED = {
    "records": ("task", "task.", "data", "version"),
    "weights": ("model", "model."),
    "code": ("method", "model"),
    "scorer": ("task",),
}
"""Digest -> what it may differ by (`task.`: by any setting of the task): it is told where none of that differs."""
DIGITS = 7
"""Hex digits of a digest that are shown."""


def distinct(records: Sequence[RunRecord]) -> list[dict[str, str]]:
    """For each record the values, as text, of what differs among these: "method.vista.lam" -> "0.05"."""
    facts = [_facts(r) for r in records]
    differing = [k for k in dict.fromkeys(k for f in facts for k in f) if _differs(k, facts)]
    shown = [k for k in differing if not _explained(k, differing)]
    return [{k: f[k] for k in shown if k in f} for f in facts]


def phrases(told: Sequence[Mapping[str, str]]) -> list[str]:
    """ "vista, lam=0.05" for each: a key is its last part where no other ends alike, and a label names itself."""
    keys = list(dict.fromkeys(k for values in told for k in values))
    return [", ".join(v if k in LABEL else f"{_short(k, keys)}={v}" for k, v in values.items()) for values in told]


def by_label(records: Sequence[RunRecord]) -> list[str]:
    """For each record what tells it from the others of its label, as one phrase; empty where it is the only one."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, record in enumerate(records):
        groups.setdefault(tuple(str(getattr(record, k)) for k in LABEL), []).append(i)
    found = [""] * len(records)
    for members in groups.values():
        for i, text in zip(members, phrases(distinct([records[i] for i in members])), strict=True):
            found[i] = text
    return found


def _facts(record: RunRecord) -> dict[str, str]:
    found = {k: str(getattr(record, k)) for k in LABEL}
    found |= {k: _text(v) for k, v in _flat({k: v for k, v in record.config.items() if k not in HIDDEN})}
    if not record.config:
        found |= {k: _text(v) for k, v in _flat({"decoding": record.decoding})}
        found |= {k: _text(getattr(record, k)) for k in ("seed", "limit")}
    identity = record.identity
    found |= {k: _text(v) for k in ("stop_early", "reasoning") if (v := identity.get(k))}
    parts = {
        "version": record.task_version,
        "records": str(record.fingerprint or "")[:DIGITS],
        "weights": str(record.model_fingerprint or _within(identity, "model", "fingerprint"))[:DIGITS],
        "code": str(identity.get("code") or "")[:DIGITS],
        "scorer": str(record.scored_by or "")[:DIGITS],
        **{str(k): str(v) for k, v in (identity.get("packages") or {}).items()},
    }
    for method in identity.get("methods") or []:
        if isinstance(method, dict) and method.get("calibration"):
            parts[f"calibration of {method.get('name')}"] = str(method["calibration"])[:DIGITS]
    return found | {k: v for k, v in parts.items() if v}


def _differs(key: str, facts: Sequence[Mapping[str, str]]) -> bool:
    """Whether the records that have it disagree; of a setting of the run, which some lack because it came later, also
    whether one has set it."""
    values = {f[key] for f in facts if key in f}
    later = key in RUN and any(key not in f for f in facts)
    return len(values) > 1 or (later and not values <= UNSET)


def _explained(key: str, differing: Sequence[str]) -> bool:
    """Whether a digest differs because a setting does that is shown."""
    return any(k == g or (g.endswith(".") and k.startswith(g)) for g in EXPLAINED.get(key, ()) for k in differing)


def _flat(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        at = f"{path}{key}"
        if at in LOCAL or key in HIDDEN:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{at}.")
        else:
            yield at, value


def _short(key: str, shown: Sequence[str]) -> str:
    """The last part of a key, where no other ends alike."""
    last = key.rpartition(".")[2]
    return last if [k.rpartition(".")[2] for k in shown].count(last) == 1 else key


def _within(node: Mapping[str, Any], *path: str) -> Any:
    for key in path:
        node = (node.get(key) or {}) if isinstance(node, Mapping) else {}
    return node or ""


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

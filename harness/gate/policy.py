"""What the gate tolerates: gate.yaml, or its defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from harness.config.kinds import kinds, refusal
from harness.core.errors import UsageError, nearest
from harness.core.yaml_loader import Loader
from harness.runs.record import RunRecord

FILTERS = ("task", "data", "model", "method")
LIMITS = ("seconds", "tokens_per_second", "passes", "positions", "peak_memory_gib")
DETERMINISTIC = ("passes", "positions")
"""Costs that do not depend on the machine: over their limit they block. The others only advise."""


@dataclass(frozen=True)
class Rule:
    """One thing that is checked, in every baseline run that fits its filters."""

    score: str | None = None
    """A score of the samples, a ratio of two (`hallucinated/mentioned`), or None: the one that the run is judged by."""
    group: str = "all"
    delta: float = 0.01
    """Tolerated loss, in the score's unit."""
    higher_is_better: bool | None = None
    """None: the direction that the run states for the score."""
    blocking: bool = True
    flips: int | None = None
    """Decide by the number of samples that got worse, for smoke tests with too few clusters for statistics."""
    changes: int | None = None
    """Decide by the number of samples that changed at all: for a refactoring, which may change none."""
    task: str | None = None
    data: str | None = None
    model: str | None = None
    method: str | None = None

    def fits(self, record: RunRecord) -> bool:
        return all(getattr(self, k) in (None, getattr(record, k)) for k in FILTERS)


@dataclass(frozen=True)
class Policy:
    """What gate.yaml says."""

    baseline: str | None = None
    """Folder of accepted runs. None: baseline/ in the results folder."""
    alpha: float = 0.05
    strict: bool = False
    """Whether a significant loss within the tolerance also fails."""
    inconclusive: Literal["fail", "warn"] = "fail"
    limits: Mapping[str, float] = field(default_factory=dict)
    """Cost -> largest ratio to the baseline; for tokens_per_second the smallest."""
    checks: tuple[Rule, ...] = (Rule(),)
    alerts: tuple[str, ...] = ()
    """Names of environment variables that hold the addresses."""


def unused(policy: Policy, records: Sequence[RunRecord]) -> str:
    """Why a check judges none of these runs, with the nearest that there is; empty if each check fits one."""
    for number, rule in enumerate(policy.checks, 1):
        if any(rule.fits(r) for r in records):
            continue
        for key in FILTERS:
            known = sorted({str(getattr(r, key)) for r in records})
            wanted = getattr(rule, key)
            if wanted is not None and wanted not in known:
                said = f"{key}={wanted} fits no run of the baseline"
                return f"gate.yaml, check {number}: {said}: {nearest(wanted, known)}"
        return f"gate.yaml, check {number} fits no run of the baseline"
    return ""


POLICY = Path("gate.yaml")
"""Read where no other file is named."""
BASELINE = "baseline"
"""Folder of accepted runs in the results folder, unless another is named."""


def folder_of(policy: Policy, results: Path) -> Path:
    """Where the accepted runs lie."""
    return Path(policy.baseline) if policy.baseline else results / BASELINE


def read_policy(path: Path | None, delta: float | None = None) -> Policy:
    """gate.yaml here if `path` is None, or the defaults. Raises UsageError in one line that names what is wrong.

    `delta` is the command line's tolerance, for all checks.
    """
    raw = _load(path or POLICY) if path or POLICY.is_file() else {}
    override: dict[str, Any] = {} if delta is None else {"delta": delta}
    _known(raw, [f.name for f in fields(Policy)], "gate.yaml")
    _typed(raw, Policy, "gate.yaml")
    checks = []
    for number, given in enumerate(raw.get("checks") or [{}], 1):
        where = f"gate.yaml, check {number}"
        if not isinstance(given, dict):
            raise UsageError(f"{where} is not a mapping: write score, group, delta ... below it")
        _known(given, [f.name for f in fields(Rule)], where)
        _typed(given, Rule, where)
        rule = Rule(**given | override)
        if not 0 <= rule.delta < math.inf:
            raise UsageError(f"{where}: delta={rule.delta} must be a number, 0 or more")
        if rule.flips is not None and rule.changes is not None:
            raise UsageError(f"{where}: flips and changes exclude each other: write two checks")
        for name in ("flips", "changes"):
            if (getattr(rule, name) or 0) < 0:
                raise UsageError(f"{where}: {name}={getattr(rule, name)} must be a whole number, 0 or more")
        checks.append(rule)
    limits = raw.get("limits") or {}
    _known(limits, LIMITS, "gate.yaml, limits")
    for name, ratio in limits.items():
        if not kinds(1.0).fits(ratio):
            raise UsageError(f"gate.yaml, limits: {refusal(name, ratio, kinds(1.0))}")
        if not 0 < ratio < math.inf:
            raise UsageError(f"gate.yaml, limits: {name}={ratio} must be a number above 0")
    policy = Policy(**raw | {"limits": limits, "checks": tuple(checks), "alerts": tuple(raw.get("alerts") or ())})
    if not 0 < policy.alpha < 0.5:
        raise UsageError(f"gate.yaml: alpha={policy.alpha} must lie between 0 and 0.5")
    if policy.baseline == "":
        raise UsageError("gate.yaml: baseline is empty: give a folder's path, or leave it out")
    if policy.inconclusive not in ("fail", "warn"):
        raise UsageError(f"gate.yaml: inconclusive={policy.inconclusive} must be fail or warn")
    return policy


def _load(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader) or {}
    except OSError as e:
        raise UsageError(f"{path} cannot be read ({e.strerror}): name the gate's file by --policy FILE") from e
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise UsageError(f"{path} is not valid YAML in UTF-8: {' '.join(str(e).split())}") from e
    if not isinstance(raw, dict):
        raise UsageError(f"{path} holds no mapping: see docs/ci.md for an example")
    return raw


def _typed(given: Mapping[str, Any], form: type[Policy] | type[Rule], where: str) -> None:
    """Raises UsageError where a value is not of the type that the field has."""
    for field_ in fields(form):
        allowed = kinds(field_.default, field_.type)
        if field_.name in given and not allowed.fits(given[field_.name]):
            raise UsageError(f"{where}: {refusal(field_.name, given[field_.name], allowed)}")


def _known(given: Mapping[str, Any], names: Any, where: str) -> None:
    for key in given:
        if key not in names:
            raise UsageError(f"{where}: {key} is unknown: choose from {', '.join(names)}")

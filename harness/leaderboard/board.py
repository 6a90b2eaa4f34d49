"""What the store holds, as the pages need it: entries (runs), and boards (entries that may be compared)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from harness.comparison import by_hand
from harness.comparison.pairing import LOST
from harness.core.score import Score, judged
from harness.core.sinks import utf8
from harness.core.types import Metric
from harness.store import Store
from harness.store.database import sql

REFERENCES = ("chance", "oracle")
"""Models that mark a level: lines in figures, not rows of a ranking."""
TIERS = {
    "embedded": "embedded",
    "calibration": "calibration",
    "photos": "smoke test",
    "local": "own records",
    "imported": "imported",
}
"""Kinds of records; every other variant is official. Different kinds never share a ranking."""

CODE = ("answers", "code", "packages")
"""Parts of an identity that say which code a run was played with."""

Row = dict[str, Any]


def slug(*words: Any) -> str:
    """A file name for these words: a long one is cut, and told apart by its digest."""
    said = "-".join(str(w) for w in words)
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", said).strip("-.") or "x"
    return plain if len(plain) <= 200 else f"{plain[:150]}-{hashlib.sha256(utf8(said).encode()).hexdigest()[:10]}"


@dataclass(frozen=True)
class BoardEntry:
    """One run. `row`: its row of runs, environment and primary metric; `metrics`: all of them."""

    row: Row
    metrics: list[Row] = field(repr=False)
    earlier: bool = False
    """Whether a newer run asked the same of the same model with later code or packages."""

    @property
    def run(self) -> str:
        return str(self.row["run"])

    @property
    def task(self) -> str:
        return str(self.row["task"])

    @property
    def data(self) -> str:
        return str(self.row["data"] or "default")

    @property
    def model(self) -> str:
        return str(self.row["model"])

    @property
    def method(self) -> str:
        return str(self.row["method"])

    @property
    def tier(self) -> str:
        """As the task itself says (`describe`), or by the name of the records."""
        return str((self.row["task_facts"] or {}).get("tier") or TIERS.get(self.data, "official"))

    @property
    def judge(self) -> str:
        """The score of the judge who graded its answers, which is also its name; "" for none."""
        return str(((self.row["task_facts"] or {}).get("judge") or {}).get("score", ""))

    @property
    def origin(self) -> str:
        """measured here, scored from outputs that another program wrote, or imported from its log."""
        config = self.row["config"] or {}
        return "imported" if config.get("imported") else "scored" if by_hand.replayed(config) else "measured"

    @property
    def value(self) -> float | None:
        value = self.row["value"]
        return None if value is None or value != value else float(value)

    @property
    def page(self) -> str:
        return f"run/{slug(self.run)}.html"

    @cached_property
    def settings(self) -> str:
        """What of method, model, task and decoding was set by hand, and the seed. A method's name is left out where it
        is the only one."""
        given = by_hand.given(self.row["config"] or {})
        kept = [w for w in given if by_hand.chosen(w) or w.startswith(("decoding", "seed="))]
        return " ".join(kept if "+" in self.method else [re.sub(r"^method\.\w+\.", "", w) for w in kept])

    @cached_property
    def variant(self) -> tuple[str, ...]:
        """The model's settings by hand: runs that differ in them are of different models."""
        return tuple(sorted(filter(by_hand.of_model, by_hand.given(self.row["config"] or {}))))

    @property
    def drawn(self) -> int | None:
        """The samples of a draw, whole clusters: fewer or more than its `limit`. None for whole runs."""
        return None if self.row["limit"] is None else int(self.row["samples"] or self.row["limit"])

    @property
    def apart(self) -> str:
        """What else than a `limit` sets it apart from whole runs: another draw of the records, a system message or
        examples before the questions; "" for nothing."""
        identity = self.row["identity"] or {}
        ids = identity.get("ids") or {}
        parts = [f"ids {str(ids.get('digest'))[:6]}"] if ids else []
        parts += [f"offset {identity['offset']}"] if identity.get("offset") else []
        parts += [f"draw {self.row['seed']}"] if self.row["limit"] is not None and self.row.get("seed") else []
        if system := identity.get("system"):
            parts.append(f"system {hashlib.sha256(str(system).encode()).hexdigest()[:6]}")
        if shown := identity.get("fewshot"):
            parts.append(f"{shown.get('count')} examples {str(shown.get('digest'))[:6]}")
        return ", ".join(parts)

    @property
    def flaws(self) -> list[str]:
        """Why it is not ranked; empty if it is."""
        row, out = self.row, []
        planned = row["samples"] or 0
        if row["status"] == "failed":
            out.append("failed")
        if planned and (planned - (row["done"] or 0) + (row["errors"] or 0)) > LOST * planned:
            out.append("incomplete")
        if (row["config"] or {}).get("stop_early"):
            out.append("stopped early")
        if self.value is None:
            out.append("no score")
        if self.earlier:
            out.append("earlier code")
        return out

    @property
    def cost(self) -> dict[str, float]:
        """Cost of one sample: seconds, decoder passes and positions, tokens; what is known of them."""
        row = self.row
        done = row["done"] or 0
        found = {"seconds": row["seconds"], "tokens": row["new_tokens"]}
        if done:
            found |= {k: row[k] / done for k in ("passes", "positions") if row[k]}
        return {k: float(v) for k, v in found.items() if v}


@dataclass(frozen=True)
class Board:
    """Entries that played the same records under the same rules: one ranking a model."""

    task: str
    data: str
    version: str
    drawn: int | None
    """The number of samples, of draws of the records; None for whole runs."""
    rules: str
    """Fingerprint of the records and of every setting that can change a prompt or a score."""
    entries: list[BoardEntry]
    mark: str = ""
    """Tells boards apart that differ in their rules only; empty for the one with most entries."""

    @property
    def tier(self) -> str:
        return self.entries[0].tier

    @property
    def partial(self) -> bool:
        """A draw of the records, or other settings of the task than most runs have: of use in development."""
        return self.drawn is not None or bool(self.mark)

    @property
    def generated(self) -> bool:
        """Whether it is of sequences for models that are trained here: those share no table with other models."""
        return self.tier == "generated"

    @property
    def name(self) -> str:
        part = "" if self.drawn is None else f", {self.drawn} samples"
        return f"{self.task} / {self.data}{part}" + (f" ({self.mark})" if self.mark else "")

    @property
    def slug(self) -> str:
        return slug(self.task, self.data, *([] if self.drawn is None else [self.drawn]), *filter(None, [self.mark]))

    @cached_property
    def ranked(self) -> list[BoardEntry]:
        return [e for e in self.entries if not e.flaws and e.model not in REFERENCES]

    @cached_property
    def models(self) -> list[str]:
        """Those with the most entries first."""
        names = sorted({e.model for e in self.ranked})
        return sorted(names, key=lambda m: -sum(e.model == m for e in self.ranked))

    @property
    def metric(self) -> str:
        return next((str(e.row["metric"]) for e in self.entries if e.row["metric"]), "")

    @property
    def group(self) -> str:
        """The split that the primary metric is stated for."""
        return next((str(m["group"]) for e in self.entries for m in e.metrics if m["primary"]), "all")

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return next((e.row["higher_is_better"] is not False for e in self.entries if e.row["metric"]), True)

    def judged(self, known: Sequence[str]) -> Score:
        """The score that its runs are compared by, of those that samples have."""
        rows = next((e.metrics for e in self.entries if e.row["metric"]), [])
        fields = ("name", "value", "group", "primary", "higher_is_better")
        return judged((), [Metric(**{k: m[k] for k in fields}, score=m["score"] or "") for m in rows], known)

    def reference(self, model: str) -> BoardEntry | None:
        """The newest run of `chance` or `oracle`."""
        found = [e for e in self.entries if e.model == model and e.value is not None]
        return found[-1] if found else None

    def of(self, model: str) -> list[BoardEntry]:
        return [e for e in self.ranked if e.model == model]

    def newest(self, model: str) -> dict[str, BoardEntry]:
        """Method -> its newest entry on this model, best first; one without settings by hand, if there is one."""
        members = sorted(self.of(model), key=lambda e: not e.settings)
        found = {e.method: e for e in members}
        return dict(sorted(found.items(), key=lambda kv: _order(kv[1], self.higher)))


def _order(entry: BoardEntry, higher: bool) -> tuple[float, str]:
    value = entry.value if entry.value is not None else float("nan")
    return (-value if higher else value), entry.method


def entries(store: Store) -> list[BoardEntry]:
    """Every ended run, oldest first."""
    by: dict[str, list[Row]] = {}
    for metric in store.query(sql("queries/board_metrics.sql")):
        by.setdefault(metric["run"], []).append(metric)
    found = [BoardEntry(row, by.get(row["run"], [])) for row in store.query(sql("queries/board_runs.sql"))]
    return dated(found)


def dated(found: Sequence[BoardEntry]) -> list[BoardEntry]:
    """The entries, oldest first, with those marked that a newer one replaces: a ranking shows a method by its newest
    code, and its history shows the others."""
    newest = {key: e.run for e in found if not e.flaws and (key := _asked(e))}
    return [replace(e, earlier=newest.get(_asked(e), e.run) != e.run) for e in found]


def _asked(entry: BoardEntry) -> str:
    """What was asked of which weights and how, whatever code played and scored it. Empty where a run does not tell."""
    identity = entry.row["identity"] or {}
    if "answers" not in identity:
        return ""
    task = {k: v for k, v in identity["task"].items() if k != "code"}
    methods = [{k: v for k, v in m.items() if k != "calibration"} for m in identity["methods"]]
    rest = {k: v for k, v in identity.items() if k not in CODE}
    return json.dumps([entry.task, entry.data, {**rest, "task": task, "methods": methods}], sort_keys=True, default=str)


def boards(found: Iterable[BoardEntry]) -> list[Board]:
    """One for each task, data variant, number of samples and set of rules; whole ones before partial ones."""
    groups: dict[tuple[Any, ...], list[BoardEntry]] = {}
    for e in found:
        rules = str(((e.row["identity"] or {}).get("task") or {}).get("fingerprint", ""))
        rules += f" {e.judge}" if e.judge else ""
        key = (e.task, e.data, str(e.row["task_version"] or ""), e.drawn, rules, e.apart)
        groups.setdefault(key, []).append(e)
    made, taken = [], set()
    for key, members in sorted(groups.items(), key=lambda kv: (-len(kv[1]), str(kv[0]))):
        plain = (key[0], key[1], key[3], members[0].judge, key[5])
        version = f"v{key[2]} {key[4][:6]}".strip() if plain in taken else ""
        mark = ", ".join(filter(None, [key[5], " ".join(filter(None, [members[0].judge, version]))]))
        taken.add(plain)
        made.append(Board(*key[:5], entries=members, mark=mark))
    return sorted(made, key=lambda b: (b.task, b.data, b.drawn is not None, b.drawn or 0, b.mark))


def tidy(value: Any) -> Any:
    """Configuration without the directories of the machine that ran it."""
    if isinstance(value, Mapping):
        return {k: tidy(v) for k, v in value.items()}
    if isinstance(value, list):
        return [tidy(v) for v in value]
    if isinstance(value, str):
        return re.sub(r"(?<![\w.:/])/(?:[^/\s'\"]+/)+([^/\s'\"]+)", r".../\1", value)
    return value

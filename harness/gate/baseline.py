"""Accepted runs in a committed folder: a small Parquet file each, a manifest with their hashes, a readable summary."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.comparison.pairing import LOST, Played, share_missing, undamaged
from harness.core.errors import INCOMPLETE, HarnessError, Missing, UsageError, not_json
from harness.core.score import primary
from harness.core.sinks import cell, utf8
from harness.core.types import Metric, Outcome, Result
from harness.runs.files import write_json
from harness.runs.record import RunRecord, Status, now

SCHEMA = 1
OURS = re.compile(r".+-[0-9a-f]{10}\.parquet")
"""Files that an update may remove once no manifest names them."""
PROMPT = 16
"""Hex digits of a prompt's hash that are kept."""
KEYS = ("task", "data", "model", "method", "decoding", "seed", "limit")
"""What two runs share that replace each other, where no command is known."""
RECORD = (*KEYS, "task_version", "scores", "identity", "counts", "environment", "work")


class Tampered(HarnessError):
    """A baseline file is missing or is not the one that was accepted."""

    exit_code = INCOMPLETE


@dataclass(frozen=True)
class BaselineRun:
    """One accepted run; looks like a stored run. `entry` is its part of the manifest."""

    folder: Path
    entry: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.entry["name"])

    @property
    def record(self) -> RunRecord:
        """The part of the record that was kept; only a finished run is accepted."""
        return RunRecord.of({"status": Status.DONE, **self.entry["record"]})

    @property
    def metrics(self) -> list[Metric]:
        return [Metric(**m) for m in self.entry["metrics"]]

    @property
    def words(self) -> list[str]:
        """The words of `harness eval` that repeat it."""
        return list(self.entry["words"])

    def cost(self) -> dict[str, float]:
        return dict(self.entry["cost"])

    @property
    def timings(self) -> list[dict[str, float]]:
        """Costs of repeated runs, if they were measured when it was accepted."""
        return list(self.entry.get("timings", []))

    @property
    def path(self) -> Path:
        return self.folder / str(self.entry["file"])

    def check(self) -> None:
        """Raises whatever an entry that lacks something meets."""
        _ = self.record, self.metrics, self.words, self.cost(), self.timings, self.name, self.path
        _ = self.entry["sha256"], self.entry["accepted"][:10], self.entry["reason"]

    def verify(self) -> None:
        """Raises Tampered, naming the run."""
        if not self.path.is_file():
            raise Tampered(
                f"baseline run {self.name}: {self.path} is missing: restore it, or accept a new run by "
                "harness baseline update"
            )
        if _sha256(self.path) != self.entry["sha256"]:
            raise Tampered(
                f"baseline run {self.name}: {self.path} is not the file that was accepted (its SHA-256 differs from "
                "the manifest's): restore it, or accept a new run by harness baseline update"
            )

    def results(self) -> list[Result]:
        self.verify()
        return self._results

    def faults(self) -> list[str]:
        """None: its file is the one that was accepted."""
        return []

    @cached_property
    def _results(self) -> list[Result]:
        import pyarrow.parquet as pq

        out = []
        for row in pq.read_table(self.path).to_pylist():
            scores = dict(row["scores"])
            scored = row["scored"] and all(map(math.isfinite, scores.values()))
            outcome = Outcome(row["answer"], scores, row["verdict"]) if scored else None
            out.append(
                Result(
                    row["id"],
                    row["cluster"],
                    row["group"],
                    json.loads(row["target"]),
                    outcome,
                    prompt=row["prompt"],
                    new_tokens=row["new_tokens"],
                )
            )
        return out


def read(folder: Path) -> list[BaselineRun]:
    """The runs of a baseline folder. Raises Missing where there is none."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Missing(f"{folder} holds no baseline: harness baseline update RUN --reason TEXT makes one") from None
    except (ValueError, RecursionError) as e:
        raise Tampered(f"{path} is not valid JSON ({not_json(e)}): restore it") from e
    if not isinstance(manifest, dict) or not isinstance(manifest.get("runs"), list):
        raise Tampered(f"{path} lists no runs: restore it")
    if manifest.get("schema") != SCHEMA:
        raise Tampered(f"{path} has schema {manifest.get('schema')}, this harness supports {SCHEMA}: update harness")
    runs = [BaselineRun(folder, entry) for entry in manifest["runs"]]
    for number, run in enumerate(runs, 1):
        try:
            run.check()
        except (HarnessError, KeyError, TypeError, ValueError, AttributeError) as e:
            raise Tampered(f"{path}: run {number} is not whole ({type(e).__name__}: {e}): restore it") from e
    return runs


def accept(folder: Path, run: Played, reason: str, timings: Sequence[dict[str, float]] = ()) -> BaselineRun:
    """Make a finished run the baseline of its command, instead of the one that was.

    `timings`: costs of repeated runs, for the gate to judge speed by.
    Raises UsageError where a run may not become one, Missing where it lacks samples.
    """
    record, results = run.record, run.results()
    if not record.status.scored:
        raise UsageError(f"{run.name} is {record.status}: only a finished run can be a baseline")
    if record.sequential:
        raise UsageError(f"{run.name} was stopped early: run it in full, without stop_early, to make it a baseline")
    undamaged(run)
    if (lost := share_missing(results, record.counts.samples)) > LOST:
        raise Missing(
            f"{run.name} is incomplete: {lost:.1%} of its samples have no score, and a baseline may miss 1 %: "
            "harness eval ... retry=errors asks them again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    name = "-".join((record.task, record.data, record.method, record.model)).replace("/", "_")
    known = read(folder) if (folder / "manifest.json").exists() else []
    others = [b for b in known if not same(b, record)]
    taken = {b.name for b in others}
    name = next(n for n in (name, *(f"{name}-{i}" for i in range(2, 1000))) if n not in taken)
    path, sha256 = _kept(folder, name, results)
    entry = {
        "name": name,
        "run": run.name,
        "accepted": now(),
        "reason": reason,
        "words": words(record),
        "file": path.name,
        "sha256": sha256,
        "metrics": [asdict(m) for m in run.metrics],
        "cost": run.cost(),
        **({"timings": list(timings)} if timings else {}),
        "record": {k: v for k, v in record.as_json().items() if k in RECORD},
    }
    entries = sorted([*(b.entry for b in others), entry], key=lambda e: e["name"])
    write_json(folder / "manifest.json", {"schema": SCHEMA, "runs": entries})
    runs = [BaselineRun(folder, e) for e in entries]
    (folder / "SUMMARY.md").write_text(summary(runs), encoding="utf-8")
    left = {p for p in folder.glob("*.parquet") if OURS.fullmatch(p.name)} | {b.path for b in known}
    for file in left - {r.path for r in runs}:
        file.unlink(missing_ok=True)
    return BaselineRun(folder, entry)


def _kept(folder: Path, name: str, results: Sequence[Result]) -> tuple[Path, str]:
    """The samples in a file that is named by its content: (the file, its SHA-256). What the manifest names stays as it
    is until a new manifest is there, so that an update that is killed leaves the old baseline."""
    fresh = folder / f".{name}.{os.getpid()}"
    try:
        _write(fresh, results)
        sha256 = _sha256(fresh)
        return fresh.replace(folder / f"{name}-{sha256[:10]}.parquet"), sha256
    finally:
        fresh.unlink(missing_ok=True)


def same(base: BaselineRun, record: RunRecord) -> bool:
    """Whether a run comes from the command of a baseline, whatever code made it."""
    again = words(record)
    if again or base.words:
        return sorted(again) == sorted(base.words)
    return all(getattr(base.record, k) == getattr(record, k) for k in KEYS)


def words(record: RunRecord) -> list[str]:
    """The overrides that repeat a run, without those for its results folder and logger."""
    local = ("results", "logger", "executor", "retry", "batch_size", "hydra", "stop_early", "debug", "max_equal_errors")
    given = record.config.get("overrides") or []
    return [w for w in given if w.lstrip("+~").partition("=")[0].split(".")[0].split("/")[0] not in local]


def summary(runs: Sequence[BaselineRun]) -> str:
    """A page that shows in a diff what an update changed."""
    lines = [
        "# Baseline",
        "",
        "Made by `harness baseline update`; the gate compares with these runs. Value [95 % interval].",
        "",
        "| run | samples | primary | groups | accepted | reason |",
        "|---|---:|---|---|---|---|",
    ]
    for run in runs:
        first = primary(run.metrics)
        groups = [m for m in run.metrics if first and m.name == first.name and not m.primary]
        shown = f"{first.name} {first.value:.4f} {_interval(first)}" if first else ""
        parts = ", ".join(f"{m.group} {m.value:.4f}" for m in groups)
        count = run.record.counts.done
        lines.append(
            f"| {cell(run.name)} | {count} | {cell(shown)} | {cell(parts)} | {run.entry['accepted'][:10]} | "
            f"{cell(run.entry['reason'])} |"
        )
    return "\n".join(lines) + "\n"


def _interval(metric: Metric) -> str:
    return "" if metric.low is None or metric.high is None else f"[{metric.low:.4f}, {metric.high:.4f}]"


def _write(path: Path, results: Sequence[Result]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "id": r.id,
            "cluster": r.cluster,
            "group": r.group,
            "target": json.dumps(r.target),
            "prompt": r.prompt[:PROMPT],
            "scored": r.outcome is not None,
            "answer": r.outcome.answer if r.outcome else "",
            "verdict": r.outcome.verdict if r.outcome else None,
            "scores": list(r.outcome.scores.items()) if r.outcome else [],
            "new_tokens": r.new_tokens,
        }
        for r in sorted(results, key=lambda r: r.id)
    ]
    rows = [{k: utf8(v) for k, v in row.items()} for row in rows]
    text = dict.fromkeys(("id", "cluster", "group", "target", "prompt", "answer", "verdict"), pa.string())
    kinds = {**text, "scored": pa.bool_(), "scores": pa.map_(pa.string(), pa.float64()), "new_tokens": pa.int32()}
    columns = ("id", "cluster", "group", "target", "prompt", "scored", "answer", "verdict", "scores", "new_tokens")
    table = pa.Table.from_pylist(rows, schema=pa.schema([(c, kinds[c]) for c in columns]))
    pq.write_table(table, path, compression="zstd", compression_level=19)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Finished runs in one small Parquet file, whole enough to be compared again: what samples scored, records and costs.

Answers, prompts and pictures stay in the results folder. `BundledRun` looks like a stored run to `compare`.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.core.errors import Missing
from harness.core.sinks import utf8
from harness.core.types import Metric, Outcome, Result
from harness.runs.record import Damaged, RunRecord
from harness.runs.stored import StoredRun

META = b"harness.runs"
"""The key of the file's own metadata: a list with an entry a run, in the order of the column `run`, as JSON in zlib."""
PROMPT = 16
"""Hex digits of a prompt's hash that are kept."""
RECORD = (
    *("status", "task", "task_version", "cluster", "scores", "data", "model", "model_fingerprint", "method", "methods"),
    *("decoding", "seed", "limit", "identity", "environment", "started", "cpu_seconds", "wall_seconds"),
    *("work", "counts"),
)
"""What is kept of a run's record."""
LOCAL = ("results", "weights", "logger", "executor", "retry", "batch_size", "hydra", "debug", "max_equal_errors")
"""Words of a command that say where and how it ran, not what."""


@dataclass(frozen=True)
class BundledRun:
    """One run of a bundle."""

    name: str
    record: RunRecord
    metrics: list[Metric]
    words: tuple[str, ...]
    """The words of `harness eval` that repeat it."""
    costs: dict[str, float]
    rows: list[Result]

    def results(self) -> list[Result]:
        return self.rows

    def cost(self) -> dict[str, float]:
        return dict(self.costs)

    def faults(self) -> list[str]:
        """None: damaged lines were not bundled."""
        return []


def write(runs: Sequence[StoredRun], path: Path) -> Path:
    """A bundle of these runs. Its bytes are the same for the same runs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"run": i, **_row(r)} for i, run in enumerate(runs) for r in run.results()]
    rows.sort(key=lambda row: (row["id"], row["run"]))
    texts = dict.fromkeys(("id", "cluster", "group", "target", "prompt", "verdict"), pa.string())
    kinds = {"run": pa.int16(), **texts, "scores": pa.map_(pa.string(), pa.float64()), "new_tokens": pa.int32()}
    table = pa.Table.from_pylist(rows, pa.schema(list(kinds.items())))
    said = json.dumps([_entry(run) for run in runs], sort_keys=True, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {META: zlib.compress(utf8(said).encode(), 9)}
    pq.write_table(table.replace_schema_metadata(meta), path, compression="zstd", compression_level=19)
    return path


def read(path: Path) -> list[BundledRun]:
    """The runs of a bundle. Raises Missing where there is none, Damaged where it is another file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise Missing(f"{path} is missing: harness export --format bundle makes one")
    try:
        table = pq.read_table(path)
        entries = json.loads(zlib.decompress((table.schema.metadata or {})[META]))
    except (pa.ArrowInvalid, OSError, KeyError, ValueError, zlib.error) as e:
        raise Damaged(f"{path} is not a bundle of runs: make it again with harness export --format bundle") from e
    rows: dict[int, list[Result]] = defaultdict(list)
    target = cache(json.loads)  # samples of many runs have few of them
    for row in table.to_pylist():
        rows[row["run"]].append(_result(row, target(row["target"])))
    return [_run(entry, rows[i]) for i, entry in enumerate(entries)]


def merge(paths: Sequence[Path], out: Path, wanted: Callable[[dict[str, Any]], bool] = lambda _: True) -> int:
    """One bundle of several; of runs that the same words repeat, that of the last file. Returns how many there are.

    `wanted`: is told a run's record, and says whether it is kept.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in paths]
    entries = [json.loads(zlib.decompress(t.schema.metadata[META])) for t in tables]
    last = {tuple(sorted(e["words"])): (n, i) for n, of in enumerate(entries) for i, e in enumerate(of)}
    chosen = [(n, i) for _, (n, i) in sorted(last.items()) if wanted(entries[n][i]["record"])]
    places = {at: j for j, at in enumerate(chosen)}
    parts = []
    for n, table in enumerate(tables):
        moved = np.array([places.get((n, i), -1) for i in range(len(entries[n]))], dtype=np.int16)
        runs = moved[table["run"].to_numpy()]
        at = table.schema.get_field_index("run")
        parts.append(table.set_column(at, "run", pa.array(runs)).filter(pa.array(runs >= 0)))
    rows = pa.concat_tables([p.replace_schema_metadata() for p in parts]).sort_by(
        [("id", "ascending"), ("run", "ascending")]
    )
    said = json.dumps([entries[n][i] for n, i in chosen], sort_keys=True, ensure_ascii=False)
    meta = {META: zlib.compress(utf8(said).encode(), 9)}
    pq.write_table(rows.replace_schema_metadata(meta), out, compression="zstd", compression_level=19)
    return len(chosen)


def told(run: StoredRun) -> list[str]:
    """The words that repeat a run, without those for its folder and its logger."""
    given: Iterable[Any] = run.record.config.get("overrides") or []
    words = [str(w) for w in given]
    return [w for w in words if w.lstrip("+~").partition("=")[0].split(".")[0].split("/")[0] not in LOCAL]


def _entry(run: StoredRun) -> dict[str, Any]:
    record = {k: v for k, v in run.record.as_json().items() if k in RECORD}
    if "mixer" in run.record.model_facts:  # of the zoo: how it was trained, and its learning curve
        record |= {"model_facts": run.record.model_facts, "task_facts": run.record.task_facts}
    elif device := run.record.model_facts.get("device"):
        record["model_facts"] = {"device": device}
    record["config"] = {"task": run.record.settings("task")}  # from which comparisons make the task's own metrics
    metrics = [asdict(m) for m in run.metrics]
    return {"name": run.name, "words": told(run), "record": record, "metrics": metrics, "costs": run.cost()}


def _run(entry: dict[str, Any], rows: list[Result]) -> BundledRun:
    record = RunRecord.of({"run": entry["name"], **entry["record"]})
    metrics = [Metric(**m) for m in entry["metrics"]]
    return BundledRun(entry["name"], record, metrics, tuple(entry["words"]), entry["costs"], rows)


def _row(r: Result) -> dict[str, Any]:
    row = {
        "id": r.id,
        "cluster": r.cluster,
        "group": r.group,
        "target": json.dumps(r.target, ensure_ascii=False),
        "prompt": r.prompt[:PROMPT],
        "verdict": r.outcome.verdict if r.outcome else None,
        "scores": list(r.outcome.scores.items()) if r.outcome else None,
        "new_tokens": r.new_tokens,
    }
    return {k: utf8(v) for k, v in row.items()}


def _result(row: dict[str, Any], target: Any) -> Result:
    scores = None if row["scores"] is None else dict(row["scores"])
    scored = scores is not None and all(map(math.isfinite, scores.values()))
    outcome = Outcome("", scores, row["verdict"]) if scored and scores is not None else None
    told = {"prompt": row["prompt"], "new_tokens": row["new_tokens"]}
    return Result(row["id"], row["cluster"], row["group"], target, outcome, **told)

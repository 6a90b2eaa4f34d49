"""Metrics and samples of runs as two flat tables, CSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.sinks import csv_cell, utf8
from harness.runs.record import Damaged
from harness.runs.stored import StoredRun

if TYPE_CHECKING:
    import pyarrow as pa

FACTS = ("run", "task", "data", "method", "model", "seed", "status", "started", "commit")


def write(
    runs: Sequence[StoredRun], form: str, folder: Path, damaged: Callable[[str], None] | None = None
) -> list[Path]:
    """`metrics`, `samples` and (where runs have any) `readings` in `folder`; returns the files. `damaged` is told one
    line about each run whose readings cannot be read; None raises Damaged."""
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    out = []
    made = {"metrics": metrics(runs), "samples": samples(runs)}
    made |= {"readings": read} if len(read := readings(runs, damaged)) else {}
    for name, table in made.items():
        path = folder / f"{name}.{form}"
        if form == "csv":
            csv.write_csv(_quoted(_flat(table)), path)
        else:
            pq.write_table(table, path, compression="zstd")
        out.append(path)
    return out


def _quoted(table: pa.Table) -> pa.Table:
    """The table with texts that no spreadsheet takes for formulas."""
    import pyarrow as pa

    for at, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            texts = [csv_cell(v) for v in table.column(at).to_pylist()]
            table = table.set_column(at, column, pa.array(texts, pa.string()))
    return table


def _flat(table: pa.Table) -> pa.Table:
    """The table with lists as JSON, which CSV has no other form for."""
    import pyarrow as pa

    for at, column in enumerate(table.schema):
        if pa.types.is_list(column.type):
            texts = [None if v is None else json.dumps(v) for v in table.column(at).to_pylist()]
            table = table.set_column(at, pa.field(column.name, pa.string()), pa.array(texts, pa.string()))
    return table


def readings(runs: Sequence[StoredRun], damaged: Callable[[str], None] | None = None) -> pa.Table:
    """One row a reading of a sample: its name (`probe.reading`), axes, shape, box, value and values. `damaged`: see
    `write`; None raises Damaged."""
    import pyarrow as pa

    from harness.runs.readings import table

    found = []
    for run in runs:
        try:
            rows = table(run.directory.path).rename_columns({"id": "sample", "name": "reading"})
        except Damaged as e:
            if damaged is None:
                raise
            damaged(f"{e}: left out")
            continue
        found.append(rows.add_column(0, "run", pa.array([run.name] * len(rows), pa.string())))
    return pa.concat_tables(found) if found else pa.table({})


def metrics(runs: Sequence[StoredRun]) -> pa.Table:
    """One row a metric, with what identifies its run."""
    import pyarrow as pa

    texts = dict.fromkeys((*FACTS, "metric", "group", "note"), pa.string())
    numbers = dict.fromkeys(("value", "stderr", "low", "high"), pa.float64())
    kinds = {**texts, **numbers, "n": pa.int64(), "clusters": pa.int64(), "primary": pa.bool_()}
    rows = [
        {
            **_facts(run),
            "metric": m.name,
            "group": m.group,
            "note": m.note,
            "value": m.value,
            "stderr": m.stderr,
            "low": m.low,
            "high": m.high,
            "n": m.n,
            "clusters": m.clusters,
            "primary": m.primary,
        }
        for run in runs
        for m in run.metrics
    ]
    return pa.Table.from_pylist(_utf8(rows), pa.schema(list(kinds.items())))


def samples(runs: Sequence[StoredRun]) -> pa.Table:
    """One row a sample; scores and details as JSON, since tasks differ in theirs."""
    import pyarrow as pa

    texts = ("run", "sample", "group", "cluster", "target", "answer", "verdict", "scores", "details", "error", "prompt")
    numbers = {"prompt_tokens": pa.int64(), "new_tokens": pa.int64(), "calls": pa.int64(), "latency": pa.float64()}
    rows = [
        {
            "run": run.name,
            "sample": str(r.id),
            "group": str(r.group),
            "cluster": str(r.cluster),
            "target": r.target if isinstance(r.target, str) else _json(r.target),
            "answer": r.outcome.answer if r.outcome else None,
            "verdict": r.outcome.verdict if r.outcome else None,
            "scores": _json(dict(r.outcome.scores)) if r.outcome else None,
            "details": _json(dict(r.outcome.details)) if r.outcome else None,
            "error": r.error["message"] if r.error else None,
            "prompt": r.prompt,
            "prompt_tokens": r.prompt_tokens,
            "new_tokens": r.new_tokens,
            "calls": r.calls,
            "latency": r.latency,
        }
        for run in runs
        for r in run.results()
    ]
    kinds = {**dict.fromkeys(texts, pa.string()), **numbers}
    return pa.Table.from_pylist(_utf8(rows), pa.schema(list(kinds.items())))


def _utf8(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: utf8(v) for k, v in row.items()} for row in rows]


def _facts(run: StoredRun) -> dict[str, Any]:
    found = {k: getattr(run.record, k, None) for k in FACTS} | {"run": run.name, "commit": run.record.git.get("commit")}
    return {k: None if v is None else str(v) for k, v in found.items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)

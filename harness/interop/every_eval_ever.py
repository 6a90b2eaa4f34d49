"""The community's exchange schema "Every Eval Ever", version 0.3.0 (github.com/evaleval/every_eval_ever, schemas/)."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.comparison.pairing import judged
from harness.core.score import Score, occurring
from harness.core.sinks import utf8
from harness.core.types import Metric, Result
from harness.runs.record import RunRecord
from harness.runs.stored import StoredRun

VERSION = "0.3.0"


def write(runs: Sequence[StoredRun], folder: Path, organization: str, relationship: str) -> list[Path]:
    """`data/<task>/<developer>/<model>/<uuid>.json` and its `_samples.jsonl` per run; returns the files."""
    out = []
    for run in runs:
        model = model_id(run)
        developer, _, name = model.rpartition("/")
        place = folder / "data" / _plain(_evaluation(run)) / _plain(developer or "unknown") / _plain(name)
        place.mkdir(parents=True, exist_ok=True)
        seed = hashlib.sha256(f"{run.name} {run.record.finished}".encode()).digest()
        stem = str(uuid.UUID(bytes=seed[:16], version=4))  # the schema wants version 4; the same run keeps its name
        lines = [utf8(json.dumps(line, ensure_ascii=False)) for line in instances(run)]
        data = "".join(f"{line}\n" for line in lines).encode()
        samples = place / f"{stem}_samples.jsonl"
        samples.write_bytes(data)
        value = aggregate(run, organization, relationship)
        value["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": samples.relative_to(folder).as_posix(),
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(data).hexdigest(),
            "total_rows": len(lines),
        }
        path = place / f"{stem}.json"
        path.write_text(utf8(json.dumps(value, indent=1, ensure_ascii=False)) + "\n", encoding="utf-8")
        out += [path, samples]
    return out


def aggregate(run: StoredRun, organization: str, relationship: str) -> dict[str, Any]:
    """The record of one run: every metric with its standard error and interval."""
    r = run.record
    method = {"method": r.method, "method_settings": json.dumps(r.methods)}
    return {
        "schema_version": VERSION,
        "evaluation_id": _id(run),
        "evaluation_timestamp": str(r.started),
        "retrieved_timestamp": _epoch(r),
        "source_metadata": {
            "source_name": "harness",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": relationship,
        },
        "eval_library": {
            **_library(r),
            "additional_details": {"run": run.name, "task_version": r.task_version, **method},
        },
        "model_info": {
            "name": r.model,
            "id": model_id(run),
            "additional_details": {
                "deployment_type": "externally_managed" if _served(r) else "self_deployed",
                "model_availability": "unknown" if _served(r) else "open_weights",
                "fingerprint": r.model_fingerprint,
                **method,
            },
        },
        "evaluation_results": [_result(run, m) for m in run.metrics if math.isfinite(m.value)],
    }


def _result(run: StoredRun, m: Metric) -> dict[str, Any]:
    r = run.record
    uncertainty: dict[str, Any] = {"num_samples": int(m.n)}
    how = "clustered" if m.clusters else "as stated by the log"
    if m.stderr is not None:
        uncertainty["standard_error"] = {"value": m.stderr, "method": how}
    if m.low is not None and m.high is not None:
        bounds = {"lower": m.low, "upper": m.high, "confidence_level": 0.95, "method": how}
        uncertainty["confidence_interval"] = bounds
    decoding = r.decoding  # empty where the run was imported
    sampled = decoding.get("strategy") == "nucleus"
    temperature = None if not decoding else float(decoding["temperature"]) if sampled else 0.0
    return {
        "evaluation_result_id": f"{_id(run)}#{m.name}/{m.group}",
        "evaluation_name": _evaluation(run) if m.group == "all" else f"{_evaluation(run)}/{m.group}",
        "source_data": {
            "dataset_name": f"{r.task} ({r.data})",
            "source_type": "other",
            "additional_details": {k: _text(v) for k, v in r.task_facts.items()},
        },
        "metric_config": {
            "metric_name": m.name,
            "lower_is_better": m.higher_is_better is False,
            "additional_details": {"primary": str(m.primary), "clusters": str(m.clusters), "note": m.note},
        },
        "score_details": {"score": m.value, "uncertainty": uncertainty},
        "generation_config": {
            "generation_args": {
                "temperature": temperature,
                "execution_command": r.command,
            }
        },
    }


def instances(run: StoredRun) -> list[dict[str, Any]]:
    """One record a sample that the judged score counts. The schema wants a score: error rows have none."""
    results = run.results()
    score = judged(run, occurring(results))
    return [_instance(run, r, score) for r in results if r.outcome and score.value(r.outcome.scores) is not None]


def _instance(run: StoredRun, r: Result, score: Score) -> dict[str, Any]:
    assert r.outcome
    question = str(r.outcome.details.get("question", ""))
    reference = (
        [str(t) for t in r.target] if isinstance(r.target, list) else [] if r.target is None else [str(r.target)]
    )
    value = {
        "schema_version": VERSION,
        "evaluation_id": _id(run),
        "model_id": model_id(run),
        "evaluation_name": _evaluation(run),
        "sample_id": r.id,
        "sample_hash": hashlib.sha256(utf8(question + "".join(reference)).encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": question, "reference": reference},
        "output": {"raw": [r.outcome.answer]},
        "messages": None,
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": r.outcome.verdict or "",
                "extraction_method": "custom",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": score.value(r.outcome.scores), "is_correct": bool(score.right(r.outcome.scores))},
        "performance": {"latency_ms": 1000 * r.latency},
        "metadata": {"group": r.group, "cluster": r.cluster, "calls": str(r.calls), "prompt_sha256": r.prompt},
    }
    if r.new_tokens:
        total = r.prompt_tokens + r.new_tokens
        usage = {"input_tokens": r.prompt_tokens, "output_tokens": r.new_tokens, "total_tokens": total}
        value["token_usage"] = usage
    return value


def model_id(run: StoredRun) -> str:
    """The hub's name where the model has one."""
    model = run.record.settings("model")
    path = str(model.get("path") or "")
    return path if re.fullmatch(r"[\w.-]+/[\w.-]+", path) else f"unknown/{run.record.model}"


def _library(record: RunRecord) -> dict[str, str]:
    """What evaluated it, by name and version: another tool where the run was imported."""
    if imported := record.imported:
        return {"name": imported["tool"], "version": imported["version"] or "unknown"}
    return {"name": "harness", "version": record.packages.get("harness", "unknown")}


def _served(record: RunRecord) -> bool:
    """Whether somebody else's server answered."""
    return "base_url" in record.settings("model")


def _evaluation(run: StoredRun) -> str:
    return f"{run.record.task}-{run.record.data}"


def _id(run: StoredRun) -> str:
    return f"{_evaluation(run)}/{model_id(run)}/{_epoch(run.record)}/{run.name}"


def _epoch(record: RunRecord) -> str:
    """Seconds since 1970 at which the run ended; 0 where that is not known."""
    when = record.finished or record.started
    try:
        return f"{datetime.fromisoformat(str(when)).timestamp():.0f}"
    except ValueError:  # of an imported log that does not say
        return "0"


def _plain(name: str) -> str:
    """For a folder: a long name is cut, and told apart by its digest."""
    plain = re.sub(r"[^\w.-]+", "_", name) or "_"
    if len(data := plain.encode()) <= 200:
        return plain
    return f"{data[:150].decode(errors='ignore')}-{hashlib.sha256(utf8(name).encode()).hexdigest()[:10]}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)

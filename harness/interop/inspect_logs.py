"""Inspect AI's logs: `.eval` (a zip of JSON files, with zstandard in newer versions) and its JSON form.

Read from files of inspect_ai 0.3.285 (log version 2). A sample of several epochs is several samples of one cluster.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.types import Outcome, Result
from harness.interop.log import Log, Odd, Stated, number, text

LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Inspect's values for correct, partial, incorrect and no answer (inspect_ai.scorer.value_to_float)."""
ZSTANDARD = 93
AVERAGES = ("accuracy", "mean")


def fits(path: Path, head: dict[str, Any]) -> bool:
    return isinstance(head.get("eval"), dict) and "version" in head and "status" in head


def read(path: Path, head: dict[str, Any]) -> Iterator[Log]:
    """The one log in a file."""
    about, stats = head["eval"], head.get("stats") or {}
    results = [_result(s) for s in _samples(path, head)]
    config = about.get("config") or {}
    limit = config.get("limit")
    yield Log(
        "inspect",
        str((about.get("packages") or {}).get("inspect_ai", "unknown")),
        str(about.get("task", "unknown")).rsplit("/", 1)[-1],
        str(about.get("task_version", "")),
        str(about.get("model", "unknown")).rsplit("/", 1)[-1],
        "vanilla",
        stats.get("started_at") or about.get("created"),
        stats.get("completed_at") or None,
        limit if isinstance(limit, int) else None,
        results,
        list(_stated(head.get("results") or {})),
        {
            "model": about.get("model"),
            "task_args": about.get("task_args"),
            "generate": about.get("model_generate_config"),
            "config": config,
            "dataset": {k: v for k, v in (about.get("dataset") or {}).items() if k != "sample_ids"},
            "solver": [s.get("solver") for s in (head.get("plan") or {}).get("steps", [])],
            "revision": about.get("revision"),
        },
        (path,),
        head.get("status") != "success",
    )


def head_of(path: Path) -> dict[str, Any]:
    """Everything but the samples of an `.eval`. Raises Odd where it is none, or was never finished."""
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
        if "header.json" in names:
            return json.loads(_member(path, "header.json"))
        if "_journal/start.json" in names:
            return {"status": "started", **json.loads(_member(path, "_journal/start.json"))}
    except (zipfile.BadZipFile, ValueError, OSError) as e:
        raise Odd(f"{path} is not an Inspect log: {e}") from e
    raise Odd(f"{path} is not an Inspect log: it has no header.json")


def _member(path: Path, name: str) -> bytes:
    """A file of the zip. Python before 3.14 knows no zstandard in zips, Arrow does."""
    with zipfile.ZipFile(path) as packed:
        about = packed.getinfo(name)
        if about.compress_type != ZSTANDARD:
            return packed.read(name)
    import pyarrow

    with path.open("rb") as file:
        file.seek(about.header_offset)
        sizes = struct.unpack("<HH", file.read(30)[26:])
        file.seek(sum(sizes), 1)
        packed_bytes = file.read(about.compress_size)
    return pyarrow.Codec("zstd").decompress(packed_bytes, about.file_size, asbytes=True)


def _samples(path: Path, head: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if path.suffix != ".eval":
        yield from head.get("samples") or []
        return
    with zipfile.ZipFile(path) as packed:
        names = [n for n in packed.namelist() if n.startswith("samples/") and n.endswith(".json")]
    for name in names:
        try:
            yield json.loads(_member(path, name))
        except ValueError as e:
            raise Odd(f"{path}: {name} is not valid JSON: {e}") from e


def _result(sample: dict[str, Any]) -> Result:
    scores: dict[str, float] = {}
    values: dict[str, Any] = {}
    for scorer, score in (sample.get("scores") or {}).items():
        found = score.get("value")
        for key, value in found.items() if isinstance(found, dict) else [("", found)]:
            name = f"{scorer}.{key}" if key else scorer
            plain = LETTERS.get(value) if isinstance(value, str) else float(value) if isinstance(value, bool) else None
            plain = number(value) if plain is None else plain
            if plain is None:
                values[name] = value
            else:
                scores[name] = plain
    fault, output = sample.get("error"), sample.get("output") or {}
    usage = output.get("usage") or {}
    first = next(iter((sample.get("scores") or {}).values()), {})
    question = text(sample.get("input"))
    details = {"question": question[-600:], **({"values": values} if values else {})}
    outcome = Outcome(str(output.get("completion") or ""), scores, _short(first.get("answer")), details)
    lost = {"type": "error", "message": str(fault.get("message", ""))[:300]} if isinstance(fault, dict) else None
    return Result(
        f"{sample.get('id')}.{sample.get('epoch', 1)}",
        str(sample.get("id")),
        "all",
        sample.get("target"),
        None if lost else outcome,
        lost,
        prompt=hashlib.sha256(question.encode()).hexdigest(),
        prompt_tokens=int(usage.get("input_tokens") or 0),
        new_tokens=int(usage.get("output_tokens") or 0),
        latency=float(sample.get("working_time") or sample.get("total_time") or 0),
        calls=1,
    )


def _short(value: Any) -> str | None:
    return None if value is None else str(value)[:200]


def _stated(results: dict[str, Any]) -> Iterator[Stated]:
    """A scorer's accuracy or mean bears its name; other metrics are SCORER.METRIC."""
    for scorer in results.get("scores") or []:
        metrics = scorer.get("metrics") or {}
        error = next((number(m.get("value")) for n, m in metrics.items() if n.rsplit("/", 1)[-1] == "stderr"), None)
        for key, metric in metrics.items():
            kind, value = key.rsplit("/", 1)[-1], number(metric.get("value"))
            if kind == "stderr" or value is None:
                continue
            name = scorer.get("name") if kind in AVERAGES else f"{scorer.get('name')}.{kind}"
            yield Stated(str(name), value, error if kind in AVERAGES else None)

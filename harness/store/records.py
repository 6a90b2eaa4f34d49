"""Run directories as rows: run.json, metrics.json, samples.jsonl. Whatever is odd costs itself alone."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.sinks import utf8
from harness.runs import journal
from harness.runs.record import Damaged, Misplaced, RunRecord, read

INT64 = 2**63

Row = dict[str, Any]


class Unreadable(Exception):
    """One line that names the run that is left out, and why."""


@dataclass(frozen=True)
class RunRows:
    """One run as rows of the tables `runs`, `environment` and `metrics`; its samples are still in `journal`."""

    name: str
    journal: Path
    runs: list[Row]
    environment: list[Row]
    metrics: list[Row]


def read_run(folder: Path) -> RunRows:
    """A run's rows for the database. Raises Unreadable."""
    try:
        record = read(folder)
    except (Damaged, Misplaced) as e:
        raise Unreadable(str(e)) from e
    if record is None:
        raise Unreadable(f"{folder}: it has no run.json")
    name = record.run
    path = folder / "metrics.json"
    metrics = _json(path, list) if record.status.ended and path.exists() else []
    try:
        rows = [_metric(name, m) for m in metrics]
    except (ValueError, TypeError, KeyError, AttributeError) as e:
        raise Unreadable(f"{path}: a metric has an odd field ({e})") from e
    return RunRows(name, folder.resolve() / "samples.jsonl", [_run(record)], [_environment(record)], rows)


def clean_journal(source: Path, target: Path) -> tuple[int, list[str]]:
    """Copy the sound rows of a journal: (bytes of the longest, one line about the rest, if any).

    A torn last line is dropped without a word: the run was killed there. Lone surrogates and invalid UTF-8 become
    U+FFFD.
    """
    longest, bad = 0, []
    with target.open("wb") as out:
        for number, line in journal.lines(source):
            try:
                if line is None:
                    raise ValueError("its checksum is wrong")
                fresh = dumps(_sample(json.loads(line.decode("utf-8", "replace"))))
            except (ValueError, TypeError, RecursionError):
                bad.append(number)
                continue
            longest = max(longest, len(fresh))
            out.write(fresh)
    if not bad:
        return longest, []
    many = f"lines {bad[0]} and {len(bad) - 1} more are" if len(bad) > 1 else f"line {bad[0]} is"
    return longest, [f"{many} damaged"]


def dumps(row: Row) -> bytes:
    """One line of JSON that any reader accepts."""
    text = json.dumps(row, ensure_ascii=False)
    return utf8(text).encode() + b"\n"


def _json(path: Path, kind: type) -> Any:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise Unreadable(f"{path.parent}: it has no {path.name}") from None
    except OSError as e:
        raise Unreadable(f"{path} cannot be read ({e.strerror or e})") from e
    except (ValueError, RecursionError) as e:
        raise Unreadable(f"{path} is not valid JSON ({e})") from e
    if not isinstance(value, kind):
        raise Unreadable(f"{path} holds {type(value).__name__}, not {kind.__name__}")
    return value


def _run(record: RunRecord) -> Row:
    from_ = {"rescored_from": record.rescored_from} if record.rescored_from else {}
    judge = {"judge": record.judge} if record.judge else {}
    texts = ("run", "task", "task_version", "data", "model", "model_fingerprint", "method", "command", "methods")
    return {
        "status": record.status.value,
        **{k: getattr(record, k) for k in texts},
        **{k: _integer(getattr(record, k)) for k in ("seed", "limit", "peak_memory_bytes")},
        **{k: _integer(v) for k, v in asdict(record.counts).items()},
        **{k: utc(getattr(record, k)) for k in ("started", "finished")},
        **{k: _float(getattr(record, k)) for k in ("wall_seconds", "cpu_seconds")},
        **{k: _integer(record.work.get(k)) for k in ("passes", "positions")},
        **{k: getattr(record, k) for k in ("decoding", "identity", "model_facts")},
        "task_facts": record.task_facts | from_ | judge,
    }


def _environment(record: RunRecord) -> Row:
    environment, git = record.environment, record.git
    dirty = git.get("dirty")
    return {
        "run": record.run,
        "python": _text(environment.get("python")),
        "platform": _text(environment.get("platform")),
        "packages": {k: _text(v) for k, v in record.packages.items()},
        "hardware": environment.get("hardware"),
        "git_commit": _text(git.get("commit")),
        "git_committed": utc(git.get("committed")),
        "git_dirty": dirty if isinstance(dirty, bool) else None,
        "config": record.config,
    }


def _metric(run: str, metric: Row) -> Row:
    better = metric.get("higher_is_better", True)
    return {
        "run": run,
        "name": str(metric["name"]),
        "group": str(metric.get("group", "all")),
        "value": math.nan if metric.get("value") is None else _number(metric["value"]),
        **{k: _number(metric.get(k)) for k in ("stderr", "low", "high")},
        **{k: _whole(metric.get(k)) for k in ("n", "clusters")},
        "primary": bool(metric.get("primary")),
        "higher_is_better": None if better is None else bool(better),
        "note": _text(metric.get("note")),
        "score": _text(metric.get("score", "")),
    }


def _sample(row: Any) -> Row:
    """A journal row with fields of the right types. Raises ValueError, TypeError."""
    if not isinstance(row, dict) or row.get("id") is None:
        raise ValueError("no sample")
    scores, error = row.get("scores"), row.get("error")
    if not isinstance(scores, dict | None):
        raise TypeError("scores are not an object")
    if error is not None:
        error = error if isinstance(error, dict) else {"message": error}
        error = {k: _text(error.get(k)) for k in ("type", "message", "traceback")}
    texts = ("id", "cluster", "group", "answer", "verdict", "prompt", "finish")
    return {
        **{k: _text(row.get(k)) for k in texts},
        **{k: row.get(k) for k in ("target", "details")},
        "scores": None if scores is None else {k: _number(v) for k, v in scores.items()},
        "error": error,
        **{k: _whole(row.get(k)) for k in ("prompt_tokens", "new_tokens", "calls")},
        "latency": _number(row.get("latency")),
    }


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> float | None:
    """Raises TypeError for anything but a number or None."""
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return None if value is None else float(value)


def _whole(value: Any) -> int | None:
    number = _number(value)
    if number is None:
        return None
    if not -INT64 <= number < INT64:
        raise ValueError(f"{value} is not a 64-bit integer")
    return value if isinstance(value, int) else round(number)


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and -INT64 <= value < INT64 else None


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def utc(value: Any) -> str | None:
    """ISO 8601 in any zone (none: UTC) as UTC without a zone."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None).isoformat()

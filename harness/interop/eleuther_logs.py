"""lm-eval's and lmms-eval's logs: `results_<time>.json` or `<time>_results.json`, and the samples beside them.

Samples are there with `--log_samples`. Read from files of lm-eval 0.4.13 and lmms-eval 0.7.3.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.types import Outcome, Result
from harness.interop.log import Log, Odd, Stated, lines, merged, number, text

KNOWN = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "input", "input_media"),
    *("doc_hash", "prompt_hash", "target_hash", "token_counts"),
}
"""Fields of a sample that are not metrics."""


def fits(path: Path, head: dict[str, Any]) -> bool:
    return isinstance(head.get("results"), dict) and isinstance(head.get("configs"), dict) and "config" in head


def read(path: Path, head: dict[str, Any]) -> Iterator[Log]:
    """One log per task; groups are means of their tasks and are left out."""
    tool = "lmms_eval" if "lmms_eval_version" in head else "lm_eval"
    model, method = _names(head)
    for task in head["configs"]:
        found = head["results"].get(task)
        if not isinstance(found, dict):
            continue
        files = _samples(path, task, tool)
        results = [r for f in files for r in _results(f, task)]
        stated = list(_stated(found, (head.get("higher_is_better") or {}).get(task) or {}))
        started, finished = _times(head, tool)
        yield Log(
            tool,
            str(head.get("lmms_eval_version") or head.get("lm_eval_version") or "unknown"),
            task,
            str((head.get("versions") or {}).get(task, "")),
            model,
            method,
            started,
            finished,
            _limit(head),
            results,
            stated,
            {
                "config": head["config"],
                "num_fewshot": (head.get("n-shot") or {}).get(task),
                "chat_template": bool(head.get("chat_template")),
                "system_instruction": head.get("system_instruction"),
                "documents": (head.get("n-samples") or {}).get(task),
                "commit": head.get("git_hash"),
            },
            (path, *files),
        )


def _samples(path: Path, task: str, tool: str) -> list[Path]:
    """The samples that were written with this results file: lm-eval's names end in its time, lmms-eval's begin so."""
    time = path.stem.removeprefix("results_").removesuffix("_results")
    names = [f"samples_{task}_{time}.jsonl", f"{time}_samples_{task}.jsonl", f"{task}_{time}.jsonl"]
    return [path.with_name(n) for n in names if path.with_name(n).is_file()][:1]


def _results(path: Path, task: str) -> Iterator[Result]:
    """One per document; a document has a row for each filter."""
    rows = []
    for count, row in lines(path):
        if "doc_id" not in row:
            raise Odd(f"{path}, line {count} names no doc_id")
        rows.append(row)
    for key, own in merged(rows, "doc_id").items():
        several = len(own) > 1
        scores: dict[str, float] = {}
        values: dict[str, Any] = {}
        for row in own:
            tail = f",{row.get('filter')}" if several else ""
            for name in row.get("metrics") or [k for k in row if k not in KNOWN]:
                value = row.get(name)
                plain = number(float(value) if isinstance(value, bool) else value)
                if plain is None:
                    values[name + tail] = value
                else:
                    scores[name + tail] = plain
        first = own[0]
        question = first.get("input") or _question(first.get("arguments"))
        prompt = str(first.get("prompt_hash") or hashlib.sha256(str(question).encode()).hexdigest())
        details = {"question": str(question)[-600:], **({"values": values} if values else {})}
        answer, read = text(first.get("resps", first.get("filtered_resps"))), text(first.get("filtered_resps"))
        yield Result(
            f"{task}.{key}",
            f"{task}.{key}",
            task,
            first.get("target"),
            Outcome(answer, scores, read[:200], details),
            prompt=prompt,
            calls=1,
        )


def _question(arguments: Any) -> str:
    """The prompt among the arguments of the first request."""
    while isinstance(arguments, dict | list) and arguments:
        arguments = next(iter(arguments.values())) if isinstance(arguments, dict) else arguments[0]
    return arguments if isinstance(arguments, str) else ""


def _stated(found: dict[str, Any], better: dict[str, bool]) -> Iterator[Stated]:
    """ "acc,none" with "acc_stderr,none"; filters' names stay where there are several."""
    metrics = {k: number(v) for k, v in found.items() if "," in k and "_stderr" not in k}
    filters = {k.split(",", 1)[1] for k in metrics}
    for key, value in metrics.items():
        if value is None:
            continue
        name, filtered = key.split(",", 1)
        shown = key if len(filters) > 1 else name
        yield Stated(shown, value, number(found.get(f"{name}_stderr,{filtered}")), better.get(name, True))


def _names(head: dict[str, Any]) -> tuple[str, str]:
    """(model, method): our own bridge names its method, everything else is vanilla."""
    config = head["config"] if isinstance(head["config"], dict) else {}
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    path = arguments.get("pretrained") or arguments.get("model") or head.get("model_name") or config.get("model")
    method = arguments.get("method", "vanilla") if config.get("model") == "harness" else "vanilla"
    return str(path or "unknown").rstrip("/").rsplit("/", 1)[-1], str(method)


def _times(head: dict[str, Any], tool: str) -> tuple[str | None, str | None]:
    """lm-eval's date is seconds since 1970, lmms-eval's a text of its local time."""
    date, lasted = head.get("date"), head.get("total_evaluation_time_seconds")
    try:
        seconds = number(date)
        start = datetime.fromtimestamp(seconds, UTC) if seconds else datetime.strptime(str(date), "%Y%m%d_%H%M%S")
    except (ValueError, OverflowError, OSError):
        return None, None
    try:
        end = datetime.fromtimestamp(start.timestamp() + float(lasted), start.tzinfo)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        end = start
    return start.isoformat(timespec="seconds"), end.isoformat(timespec="seconds")


def _limit(head: dict[str, Any]) -> int | None:
    value = number((head["config"] if isinstance(head["config"], dict) else {}).get("limit"))
    return int(value) if value and value >= 1 else None


def head_of(path: Path) -> dict[str, Any]:
    """The results file. Raises Odd where it is not a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except ValueError as e:
        raise Odd(f"{path} is not valid JSON: {e}") from e
    if not isinstance(value, dict):
        raise Odd(f"{path} holds a {type(value).__name__}, not an object")
    return value

"""lm-eval's and lmms-eval's logs: a results file, and the samples beside it (with `--log_samples`).

| written by | results | samples of a task |
|---|---|---|
| lm-eval 0.3 | any name; no `configs`, metrics without a filter | none |
| lm-eval 0.4.0 to 0.4.2 | any name, mostly results.json | `<model_args>_<task>.jsonl`, one JSON list |
| lm-eval since 0.4.3 | `results_<time>.json`, or `<name>_<time>.json` | `samples_<task>_<time>.jsonl` |
| lmms-eval | `<time>_results.json` | `<time>_samples_<task>.jsonl` |

Read from files of lm-eval 0.4.13 and lmms-eval 0.7.3, and by the code of lm-eval's older versions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.types import Outcome, Result
from harness.interop.log import Log, Odd, Stated, lines, mapping, merged, number, parsed, text, whole

KNOWN = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "input", "input_media"),
    *("doc_hash", "prompt_hash", "target_hash", "token_counts"),
}
"""Fields of a sample that are not metrics."""
DOWN = ("ppl", "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "ter", "brier_score")
"""Metrics of lm-eval of which less is better, for versions that do not say so."""
TIME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?|\d{8}_\d{6}"
"""When a log was written, as lm-eval and lmms-eval have it in file names."""


def fits(path: Path, head: dict[str, Any]) -> bool:
    named = isinstance(head.get("configs"), dict) or isinstance(head.get("versions"), dict)
    return isinstance(head.get("results"), dict) and named and isinstance(head.get("config"), dict)


def read(path: Path, head: dict[str, Any]) -> Iterator[Log]:
    """One log per task; groups are means of their tasks and are left out."""
    tool = "lmms_eval" if "lmms_eval_version" in head else "lm_eval"
    old = not isinstance(head.get("configs"), dict)
    model, method = _names(head)
    beside = {p.name for p in path.parent.iterdir() if p.suffix == ".jsonl"}
    for task in head["versions"] if old else head["configs"]:
        found = head["results"].get(task)
        if not isinstance(found, dict):
            continue
        files = [path.parent / n for n in _samples(path, task, head) if n in beside][:1]
        results = [r for f in files for r in _results(f, task)]
        stated = list(_stated(found, mapping(mapping(head.get("higher_is_better")).get(task))))
        started, finished = _times(head)
        documents = mapping(head.get("n-samples")).get(task)
        planned = number(mapping(documents).get("effective"))
        short, note = False, ""
        if not files:
            note = f"{path}: {task}: metrics only, there are no samples beside it (--log_samples)"
        elif planned is not None and len(results) < planned:
            short, note = True, f"{files[0]}: {len(results)} of {planned:.0f} documents: its metrics are of all of them"
        version = head.get("lmms_eval_version") or head.get("lm_eval_version") or ("0.3" if old else "unknown")
        yield Log(
            tool,
            str(version),
            task,
            str(mapping(head.get("versions")).get(task, "")),
            model,
            method,
            started,
            finished,
            _limit(head),
            results,
            stated,
            {
                "config": head["config"],
                "num_fewshot": mapping(head.get("n-shot")).get(task, head["config"].get("num_fewshot")),
                "chat_template": bool(head.get("chat_template")),
                "system_instruction": head.get("system_instruction"),
                "documents": documents,
                "commit": head.get("git_hash"),
            },
            (path, *files),
            aborted=short,
            note=note,
        )


def _samples(path: Path, task: str, head: dict[str, Any]) -> list[str]:
    """The names that the samples of this results file may have, likeliest first."""
    stem = path.stem
    times = [m[0] for m in re.finditer(TIME, stem)] or [stem.removeprefix("results_").removesuffix("_results")]
    new = [
        name for t in times for name in (f"samples_{task}_{t}.jsonl", f"{t}_samples_{task}.jsonl", f"{task}_{t}.jsonl")
    ]
    arguments = head["config"].get("model_args")
    return [*new, *([f"{re.sub('/|=', '__', arguments)}_{task}.jsonl"] if isinstance(arguments, str) else [])]


def alone(path: Path) -> str:
    """What a file of samples needs beside it."""
    time = re.search(TIME, path.stem)
    wanted = f"results_{time[0]}.json or {time[0]}_results.json" if time else "its results file (results.json)"
    return (
        f"{path} holds samples alone, without their metrics, model and version: name {wanted}, with this file beside it"
    )


def _results(path: Path, task: str) -> Iterator[Result]:
    """One per document; a document has a row for each filter."""
    rows = []
    for count, row in lines(path):
        if "doc_id" not in row:
            raise Odd(f"{path}, line {count} names no doc_id")
        rows.append(row)
    several = len({str(row.get("filter")) for row in rows}) > 1
    for key, given in merged(rows, "doc_id").items():
        own = [row for i, row in enumerate(given) if row not in given[:i]]
        if len({str(row.get("filter")) for row in own}) < len(own):
            raise Odd(f"{path} answers doc_id {key} twice, and not alike")
        scores: dict[str, float] = {}
        values: dict[str, Any] = {}
        for row in own:
            tail = f",{row.get('filter')}" if several else ""
            listed = row.get("metrics")
            for name in listed if isinstance(listed, list) and listed else [k for k in row if k not in KNOWN]:
                if not isinstance(name, str):
                    continue
                value = row.get(name)
                plain = float(value) if isinstance(value, bool) else number(value)
                if plain is None:
                    values[name + tail] = value
                else:
                    scores[name + tail] = plain
        first = own[0]
        question = first.get("input") or _question(first.get("arguments"))
        prompt = str(first.get("prompt_hash") or hashlib.sha256(str(question).encode("utf-8", "replace")).hexdigest())
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


def _stated(found: dict[str, Any], better: dict[str, Any]) -> Iterator[Stated]:
    """ "acc,none" with "acc_stderr,none", and "acc" with "acc_stderr" of version 0.3; filters' names stay where there
    are several. What is not a finite number is left out."""
    named = [k for k in found if "," in k] or list(found)
    metrics = {k: number(found[k]) for k in named if "_stderr" not in k}
    filters = {k.partition(",")[2] for k in metrics}
    for key, value in metrics.items():
        if value is None:
            continue
        name, comma, filtered = key.partition(",")
        shown = key if len(filters) > 1 else name
        up = better.get(name, name not in DOWN)
        error = number(found.get(f"{name}_stderr{comma}{filtered}"))
        yield Stated(shown, value, error, up if isinstance(up, bool) else True)


def _names(head: dict[str, Any]) -> tuple[str, str]:
    """(model, method): our own bridge names its method, everything else is vanilla."""
    config = head["config"]
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    arguments = mapping(arguments)
    path = arguments.get("pretrained") or arguments.get("model") or head.get("model_name") or config.get("model")
    method = arguments.get("method", "vanilla") if config.get("model") == "harness" else "vanilla"
    return str(path or "unknown").rstrip("/").rsplit("/", 1)[-1], str(method)


def _times(head: dict[str, Any]) -> tuple[str | None, str | None]:
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
    value = number(head["config"].get("limit"))
    return int(value) if value and value >= 1 else None


def head_of(path: Path) -> dict[str, Any]:
    """The results file. Raises Odd where it is not a JSON object."""
    value = parsed(whole(path), str(path))
    if not isinstance(value, dict):
        raise Odd(f"{path} holds a {type(value).__name__}, not an object")
    return value

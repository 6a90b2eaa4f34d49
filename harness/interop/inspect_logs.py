"""Inspect AI's logs: `.eval` (a zip of JSON files, with zstandard in newer versions) and its JSON form.

Read from files of inspect_ai 0.3.285 (log version 2), and by the code of older versions back to 0.3.30. A sample of
several epochs is several samples of one cluster.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.secrets import redacted
from harness.core.types import Outcome, Result
from harness.interop.log import LARGEST, Log, Odd, Stated, listing, mapping, number, parsed, text

LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""Inspect's values for correct, partial, incorrect and no answer (inspect_ai.scorer.value_to_float), and its words."""
RATIO, SMALL = 200, 2**28
"""A log that unpacks to more than SMALL bytes may not unpack to more than RATIO times its size."""
ZSTANDARD = 93
AVERAGES = ("accuracy", "mean")


def fits(path: Path, head: dict[str, Any]) -> bool:
    return isinstance(head.get("eval"), dict) and "version" in head and "status" in head


def read(path: Path, head: dict[str, Any]) -> Iterator[Log]:
    """The one log in a file."""
    about, stats = head["eval"], mapping(head.get("stats"))
    single = str(mapping(mapping(head.get("results")).get("scorer")).get("name", "score"))
    results = [_result(s, single) for s in _samples(path, head)]
    config = mapping(about.get("config"))
    limit = config.get("limit")
    yield Log(
        "inspect",
        str(mapping(about.get("packages")).get("inspect_ai", "unknown")),
        str(about.get("task", "unknown")).rsplit("/", 1)[-1],
        str(about.get("task_version", "")),
        str(about.get("model", "unknown")).rsplit("/", 1)[-1],
        "vanilla",
        stats.get("started_at") or about.get("created"),
        stats.get("completed_at") or None,
        limit if isinstance(limit, int) else None,
        results,
        list(_stated(mapping(head.get("results")))),
        {
            "model": about.get("model"),
            "task_args": about.get("task_args"),
            "generate": about.get("model_generate_config"),
            "config": config,
            "dataset": {k: v for k, v in mapping(about.get("dataset")).items() if k != "sample_ids"},
            "solver": [mapping(s).get("solver") for s in listing(mapping(head.get("plan")).get("steps"))],
            "revision": about.get("revision"),
        },
        (path,),
        head.get("status") != "success",
    )


def head_of(path: Path) -> dict[str, Any]:
    """Everything but the samples of an `.eval`. Raises Odd where it is none, or unpacks to more than a log does."""
    try:
        with zipfile.ZipFile(path) as packed:
            members = {m.filename: m.file_size for m in packed.infolist()}
    except (zipfile.BadZipFile, ValueError, OSError) as e:
        raise Odd(f"{path} is not an Inspect log: {e}") from e
    size, unpacked = path.stat().st_size, sum(members.values())
    if max(members.values(), default=0) > LARGEST or unpacked > max(SMALL, RATIO * size):
        raise Odd(f"{path} is not read: its {size / 1e6:.1f} MB unpack to {unpacked / 1e6:.0f} MB")
    for name, more in (("header.json", {}), ("_journal/start.json", {"status": "started"})):
        if name in members:
            return more | mapping(parsed(_member(path, name), f"{path}: {name}"))
    raise Odd(f"{path} is not an Inspect log: it has no header.json")


def _member(path: Path, name: str) -> bytes:
    """A file of the zip, of the size that the zip states. Python before 3.14 knows no zstandard in zips, Arrow does."""
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
        yield from (s for s in listing(head.get("samples")) if isinstance(s, dict))
        return
    with zipfile.ZipFile(path) as packed:
        names = [n for n in packed.namelist() if n.startswith("samples/") and n.endswith(".json")]
    for name in names:
        sample = parsed(_member(path, name), f"{path}: {name}")
        if not isinstance(sample, dict):
            raise Odd(f"{path}: {name} holds a {type(sample).__name__}, not an object")
        yield sample


def _value(value: Any) -> float | None:
    """A score as Inspect counts it; None where Inspect only warns and counts 0."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return number(value)
    if value in LETTERS:
        return LETTERS[value]
    try:
        return WORDS[value.lower()] if value.lower() in WORDS else number(float(value))
    except ValueError:
        return None


def _result(sample: dict[str, Any], single: str) -> Result:
    """`single`: the name of the one score that a sample has in versions before there were several scorers."""
    scores: dict[str, float] = {}
    values: dict[str, Any] = {}
    given = mapping(sample.get("scores"))
    if not given and isinstance(sample.get("score"), dict):
        given = {single: sample["score"]}
    for scorer, score in given.items():
        found = mapping(score).get("value")
        for key, value in found.items() if isinstance(found, dict) else [("", found)]:
            name = f"{scorer}.{key}" if key else scorer
            plain = _value(value)
            if plain is None:
                values[name] = value
            else:
                scores[name] = plain
    fault, output = sample.get("error"), mapping(sample.get("output"))
    usage = mapping(output.get("usage"))
    first = mapping(next(iter(given.values()), {}))
    question = text(sample.get("input"))
    details = {"question": question[-600:], **({"values": values} if values else {})}
    outcome = Outcome(_completion(output), scores, _short(first.get("answer")), details)
    lost = (
        {"type": "error", "message": redacted(str(fault.get("message", "")))[:300]} if isinstance(fault, dict) else None
    )
    return Result(
        f"{sample.get('id')}.{sample.get('epoch', 1)}",
        str(sample.get("id")),
        "all",
        sample.get("target"),
        None if lost else outcome,
        lost,
        prompt=hashlib.sha256(question.encode("utf-8", "replace")).hexdigest(),
        prompt_tokens=int(number(usage.get("input_tokens")) or 0),
        new_tokens=int(number(usage.get("output_tokens")) or 0),
        latency=number(sample.get("working_time")) or number(sample.get("total_time")) or 0.0,
        calls=1,
    )


def _completion(output: dict[str, Any]) -> str:
    """The answer; older versions have it in the first choice alone."""
    if isinstance(output.get("completion"), str):
        return output["completion"]
    content = mapping(mapping(next(iter(listing(output.get("choices"))), {})).get("message")).get("content")
    if isinstance(content, str):
        return content
    return "".join(str(mapping(c).get("text", "")) for c in listing(content))


def _short(value: Any) -> str | None:
    return None if value is None else str(value)[:200]


def _stated(results: dict[str, Any]) -> Iterator[Stated]:
    """A scorer's accuracy or mean bears its name; other metrics are SCORER.METRIC. Where epochs were reduced in several
    ways, all but the mean bear theirs as well."""
    scorers = listing(results.get("scores"))
    if not scorers and isinstance(results.get("scorer"), dict):  # before Inspect had several scorers
        scorers = [results["scorer"] | {"metrics": results.get("metrics")}]
    found = [m for m in map(mapping, scorers) if m]
    names = [str(m.get("name")) for m in found]
    for scorer, own in zip(found, names, strict=True):
        reducer = scorer.get("reducer")
        own += f".{reducer}" if names.count(own) > 1 and reducer not in (None, "mean") else ""
        metrics = {k: mapping(m).get("value") for k, m in mapping(scorer.get("metrics")).items()}
        error = next((number(v) for n, v in metrics.items() if n.rsplit("/", 1)[-1] == "stderr"), None)
        for key, given in metrics.items():
            kind, value = key.rsplit("/", 1)[-1], number(given)
            if kind == "stderr" or value is None:
                continue
            yield Stated(own if kind in AVERAGES else f"{own}.{kind}", value, error if kind in AVERAGES else None)

"""Haystacks with questions: the package's, or RULER's own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core import Missing, UsageError
from harness.records import Source, digest, existing, labels, packaged, plain_stem, record_files, tables, unreadable
from harness.records.groups import group_name
from harness.tasks.niah.settings import Settings
from harness.tasks.niah.variants import VARIANTS, prefix, prompt


@dataclass(frozen=True)
class Haystack:
    """One prompt with its question, and the values it asks for; or what is wrong with the row (`fault`)."""

    id: str
    cluster: str
    variant: str
    prompt: str = ""
    prefix: str = ""
    answers: tuple[str, ...] = ()
    length: int | str = "unknown"
    depth: float | str = "unknown"
    fault: str = ""
    row: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Everything that is known of it."""


def load(s: Settings) -> Source[Haystack]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    found = [_haystack(row) for row in (_local(Path(s.root), s) if s.root else _embedded(s))]
    if not found and s.root:
        why = "no row of these lengths: leave task.lengths out" if s.lengths else "no rows: give RULER's files"
        raise UsageError(f"task.root={s.root} holds {why}")
    if not found:
        raise UsageError("no record has these variants and lengths: leave one of task.variants, task.lengths out")
    tokenizer = "SmolLM2" if s.data == "embedded" else "as the records were made"
    facts = {"tokenizer": tokenizer, "lengths": list(s.lengths) or "all"}
    facts["variants"] = list(s.variants) if s.data == "embedded" else sorted({r.variant for r in found})
    return Source(found, digest([r.row for r in found], sort_keys=True), facts)


def _haystack(row: dict[str, Any]) -> Haystack:
    named = {
        k: row[k] for k in ("id", "cluster", "variant", "prompt", "prefix", "length", "depth", "fault") if k in row
    }
    return Haystack(**named, answers=tuple(row.get("answers", ())), row=row)


def _embedded(s: Settings) -> Iterator[dict[str, Any]]:
    stored = packaged(Path(__file__).parent / "embedded")
    have = sorted({r["length"] for r in stored})
    if lacking := [n for n in s.lengths if n not in have]:
        raise UsageError(f"task.lengths={lacking[0]}: the embedded records have {', '.join(map(str, have))}")
    for row in stored:
        if row["variant"] in s.variants and row["length"] in (s.lengths or have):
            variant = VARIANTS[row["variant"]]
            asked = prompt(variant, row["context"], row["query"], s.style)
            yield {**row, "prompt": asked, "prefix": prefix(variant, row["query"])}


def _local(root: Path, s: Settings) -> Iterator[dict[str, Any]]:
    """RULER's own files: <task>/validation.jsonl with index, input, outputs, length, answer_prefix."""
    existing(root, "a RULER file, or the folder with <task>/validation.jsonl")
    files = record_files(root, (".jsonl",))
    if not files:
        raise Missing(f"task.root={root} holds no .jsonl file: give RULER's <task>/validation.jsonl")
    called = labels(files, root, _variant)
    for path, table in tables(files, ("input", "outputs")):
        variant = group_name(_variant(path))
        for number, row in enumerate(table, 1):
            where = f"{called[path]}:{number}"
            known = {"id": where, "cluster": where, "variant": variant}
            if fault := _fault(row):
                yield {**known, "fault": f"{path.name}, row {number}: {fault}"}
            elif not s.lengths or row.get("length") in s.lengths:
                own = {"length": row.get("length", "unknown"), "depth": "unknown", "prompt": row["input"]}
                yield {**known, **own, "prefix": row.get("answer_prefix") or "", "answers": row["outputs"]}


def _variant(path: Path) -> str:
    """The task of RULER whose file it is."""
    stem = plain_stem(path)
    return (path.parent.name if stem == "validation" else stem).removeprefix("niah_")


def _fault(row: Any) -> str:
    if fault := unreadable(row):
        return fault
    if not isinstance(row.get("input"), str) or not row["input"].strip():
        return "has no text in field input"
    outputs = row.get("outputs")
    if not isinstance(outputs, list) or not outputs or not all(isinstance(o, str) and o for o in outputs):
        return "field outputs is not a list of texts"
    if not isinstance(row.get("answer_prefix"), str | None):
        return "field answer_prefix is not a text"
    return ""

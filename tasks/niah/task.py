"""Needle in a haystack as a task: one planted fact (or several) asked for in one request."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core import Metric, Missing, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from harness.records import Broken, rows
from harness.tasks.niah.haystack import MAKE
from harness.tasks.niah.scoring import SCORES, aggregate, answer, string_match_all, string_match_part
from harness.tasks.niah.variants import VARIANTS, prefix, prompt

DATA = ("embedded", "ruler", "local")
STYLES = ("direct", "reason")
MATCHES = {"all": string_match_all, "part": string_match_part}
FILE = "records.parquet"


class Niah(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    name = "niah"
    scores = SCORES
    groups = tuple(VARIANTS)

    def __init__(
        self,
        data: str,
        root: str | None,
        variants: Sequence[str] | str | None,
        lengths: Sequence[int] | int | None,
        style: str,
        answer_prefix: bool,
        match: str,
        max_new_tokens: int,
    ):
        if data not in DATA:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(DATA)}")
        if (root is None) != (data == "embedded"):
            raise UsageError(
                f"task.data={data} and task.root={root} do not go together: task.data=ruler or local with "
                "task.root=FILE-OR-FOLDER of RULER's JSON lines, or neither"
            )
        if style not in STYLES or match not in MATCHES:
            raise UsageError(
                f"task.style={style}, task.match={match}: choose style direct or reason, match all or part"
            )
        chosen = [variants] if isinstance(variants, str) else list(variants or [])
        if unknown := [v for v in chosen if v not in VARIANTS]:
            raise UsageError(f"task.variants: {unknown[0]} is unknown: choose from {', '.join(VARIANTS)}")
        self.data, self.root, self.style, self.match = data, root, style, match
        self.variants = chosen
        self.lengths = [lengths] if isinstance(lengths, int) else list(lengths or [])
        self.answer_prefix, self.max_new_tokens = bool(answer_prefix), max_new_tokens

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """id, cluster, variant, length, depth, prompt, prefix, answers; or id, cluster and fault."""
        found = list(self._local() if self.root else self._embedded())
        if not found:
            raise UsageError("no record has these variants and lengths: leave one of task.variants, task.lengths out")
        return found

    def _embedded(self) -> Iterator[dict[str, Any]]:
        path = Path(__file__).parent / "embedded" / FILE
        if not path.is_file():
            raise Missing(f"{path} is not there: reinstall harness, or run python -m harness.tasks.niah.generate")
        stored = rows(path)
        if lacking := [n for n in self.lengths if n not in {r["length"] for r in stored}]:
            have = ", ".join(str(n) for n in sorted({r["length"] for r in stored}))
            raise UsageError(f"task.lengths={lacking[0]}: the embedded records have {have}")
        for row in stored:
            if (self.variants and row["variant"] not in self.variants) or (
                self.lengths and row["length"] not in self.lengths
            ):
                continue
            variant = VARIANTS[row["variant"]]
            yield {
                **row,
                "prompt": prompt(variant, row["context"], row["query"], self.style),
                "prefix": prefix(variant, row["query"]),
            }

    def _local(self) -> Iterator[dict[str, Any]]:
        """RULER's own files: <task>/validation.jsonl with index, input, outputs, length, answer_prefix."""
        root = Path(self.root or "")
        if not root.exists():
            raise Missing(
                f"task.root={root} does not exist: give a RULER file, or the folder with <task>/validation.jsonl"
            )
        files = [root] if root.is_file() else sorted(root.rglob("*.jsonl"))
        if not files:
            raise Missing(f"task.root={root} holds no .jsonl file: give RULER's <task>/validation.jsonl")
        for path in files:
            name = path.parent.name if path.stem == "validation" else path.stem
            name = name.removeprefix("niah_")
            for number, row in enumerate(rows(path), 1):
                where = f"{name}:{number}"
                fault = _fault(row)
                if fault:
                    yield {
                        "id": where,
                        "cluster": where,
                        "variant": name,
                        "fault": f"{path.name}, row {number}: {fault}",
                    }
                elif not self.lengths or row.get("length") in self.lengths:
                    yield {
                        "id": where,
                        "cluster": where,
                        "variant": name,
                        "length": row.get("length", "unknown"),
                        "depth": "unknown",
                        "prompt": row["input"],
                        "prefix": row.get("answer_prefix") or "",
                        "answers": row["outputs"],
                    }

    def samples(self) -> Iterator[Sample]:
        """The group is the variant, the cluster the haystack."""
        for r in self.records:
            yield Sample(r["id"], r["cluster"], r["variant"], r.get("answers"), {**r, "question_id": r["id"]})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        text = sample.data["prompt"] + (sample.data["prefix"] if self.answer_prefix else "")
        reply = yield Request(user(text), self.max_new_tokens)
        said = answer(reply.text, self.style)
        score = MATCHES[self.match](said, sample.target)
        found = [a for a in sample.target if a.lower() in said.lower()]
        details = {
            "question": text[-300:],
            "variant": sample.data["variant"],
            "length": sample.data["length"],
            "depth": sample.data["depth"],
        }
        return Outcome(reply.text, {"string_match": score}, ", ".join(found) or None, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        settings = [self.data, self.style, self.answer_prefix, self.match, self.max_new_tokens]
        return hashlib.sha256(json.dumps([self.records, settings], sort_keys=True).encode()).hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        return "Answer: " + ", ".join(sample.target)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A value of the right kind, drawn blindly: it is practically never the right one."""
        kind = VARIANTS[sample.group].values if sample.group in VARIANTS else "numbers"
        return MAKE[kind](rng)

    def describe(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "variants": self.variants or sorted({r["variant"] for r in self.records}),
            "lengths": self.lengths or "all",
            "style": self.style,
            "answer_prefix": self.answer_prefix,
            "match": self.match,
            "max_new_tokens": self.max_new_tokens,
            "tokenizer": "SmolLM2" if self.data == "embedded" else "as the records were made",
        }


def _fault(row: Any) -> str:
    if isinstance(row, Broken):
        return row.reason
    if not isinstance(row, dict):
        return f"is a {type(row).__name__}, not an object with fields"
    if not isinstance(row.get("input"), str) or not row["input"].strip():
        return "has no text in field input"
    outputs = row.get("outputs")
    if not isinstance(outputs, list) or not outputs or not all(isinstance(o, str) and o for o in outputs):
        return "field outputs is not a list of texts"
    return ""

"""The journal of a run: `samples.jsonl`, one finished sample a line, appended and flushed batch by batch.

A batch is one write(2), so that a kill leaves whole batches; a torn last line is cut off when the run resumes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.types import Outcome, Reply, Result

FILE = "samples.jsonl"


def encode(result: Result) -> str:
    """One line of JSON (ASCII, no newline inside)."""
    outcome = result.outcome
    told = {} if result.replies is None else {"replies": [_told(r) for r in result.replies]}
    return json.dumps(
        {
            "id": result.id,
            "group": result.group,
            "cluster": result.cluster,
            "target": result.target,
            "answer": outcome.answer if outcome else None,
            "verdict": outcome.verdict if outcome else None,
            "scores": dict(outcome.scores) if outcome else {},
            "details": dict(outcome.details) if outcome else {},
            "error": dict(result.error) if result.error else None,
            "prompt": result.prompt,
            "prompt_tokens": result.prompt_tokens,
            "new_tokens": result.new_tokens,
            "latency": result.latency,
            "finish": result.finish,
            "calls": result.calls,
            **told,
            **({"asked": result.asked} if result.asked else {}),
            **({"thinking_tokens": result.thinking_tokens} if result.thinking_tokens else {}),
        }
    )


def decode(row: dict[str, Any]) -> Result:
    outcome = None
    if row["error"] is None:
        outcome = Outcome(row["answer"], row["scores"], row["verdict"], row["details"])
    costs = {k: row[k] for k in ("prompt", "prompt_tokens", "new_tokens", "latency", "finish", "calls")}
    told = row.get("replies")
    replies = None if told is None else tuple(r if isinstance(r, dict) else Reply(*r[:3], finish=r[3]) for r in told)
    more = {"replies": replies, "asked": row.get("asked", ""), "thinking_tokens": row.get("thinking_tokens", 0)}
    return Result(row["id"], row["cluster"], row["group"], row["target"], outcome, row["error"], **costs, **more)


def _told(reply: Reply | Mapping[str, str]) -> Any:
    """A reply as [text, prompt tokens, new tokens, finish]; a failed call as its error."""
    if isinstance(reply, Reply):
        return [reply.text, reply.prompt_tokens, reply.new_tokens, reply.finish]
    return dict(reply)


class Journal:
    """Appends results; on opening, cuts off a torn tail and reports what is already there."""

    def __init__(self, path: Path, *, drop_errors: bool = False):
        self.path = path
        self.finished: list[Result] = []
        good = 0
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    result = _parse(line)
                    if result is None:
                        break
                    good += len(line)
                    self.finished.append(result)
            if good < path.stat().st_size:
                os.truncate(path, good)
        if drop_errors and any(r.error for r in self.finished):
            self.finished = [r for r in self.finished if r.error is None]
            fresh = path.with_suffix(".tmp")
            fresh.write_text("".join(encode(r) + "\n" for r in self.finished))
            fresh.replace(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def append(self, results: Iterable[Result]) -> None:
        """One write for all of them; on the disk when this returns."""
        data = "".join(encode(r) + "\n" for r in results).encode()
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        if data:
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> list[Result]:
    """All whole lines of a journal."""
    with path.open("rb") as file:
        return [r for line in file if (r := _parse(line)) is not None]


def _parse(line: bytes) -> Result | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return decode(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return None

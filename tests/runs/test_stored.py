"""Runs as they lie in a results folder."""

from __future__ import annotations

import json
import os

from harness.core import Outcome, Result
from harness.runs.journal import encode
from harness.runs.stored import stored

LEAST = {"status": "done", "task": "pope", "model": "m", "method": "vanilla"}


def test_newest_first_also_within_a_second(tmp_path):
    order = ["c", "a", "b"]
    for n, name in enumerate(order):
        path = tmp_path / "runs" / name / "run.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**LEAST, "started": "2026-01-01T00:00:00+00:00"}))
        os.utime(path, ns=(n, n))
    late = tmp_path / "runs" / "0" / "run.json"
    late.parent.mkdir()
    late.write_text(json.dumps({**LEAST, "started": "2026-01-01T00:00:01+00:00"}))
    os.utime(late, ns=(0, 0))
    assert [r.name for r in stored(tmp_path)] == ["0", *reversed(order)]


def test_thinking_is_counted_apart(tmp_path):
    """By tokens: a quarter of 4 s and half of 2 s, over two samples."""
    path = tmp_path / "runs" / "a" / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(LEAST))
    cost = {"calls": 1, "outcome": Outcome("yes", {"correct": 1.0}), "error": None}
    rows = [
        Result("0", "0", "all", "yes", **cost, latency=4.0, new_tokens=40, thinking_tokens=10),
        Result("1", "1", "all", "yes", **cost, latency=2.0, new_tokens=20, thinking_tokens=10),
    ]
    (path.parent / "samples.jsonl").write_text("".join(encode(r) + "\n" for r in rows))
    (run,) = stored(tmp_path)
    found = run.cost()
    assert (found["thinking_tokens"], found["thinking_seconds"], found["seconds"]) == (10.0, 1.0, 3.0)

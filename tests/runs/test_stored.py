"""Runs as they lie in a results folder."""

from __future__ import annotations

import json
import os

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

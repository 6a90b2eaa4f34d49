"""harness submit: whether a run may stand on a leaderboard, and the files that a pull request commits for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.comparison.pairing import LOST, share_missing
from harness.core.errors import UsageError
from harness.leaderboard.board import tidy
from harness.runs import journal
from harness.runs.files import write_json, write_lines
from harness.runs.stored import StoredRun

FACTS = ("python", "packages", "hardware")


def problems(run: StoredRun) -> list[str]:
    """Why a run is refused, one sentence each with its fix; empty if it may be submitted."""
    record, out = run.record, []
    if not record.status.scored:
        return [f"it is {record.status}: run its command again, which continues it"]
    results = run.results()
    planned = record.counts.samples
    if len({r.id for r in results}) != planned or len(results) != planned:
        out.append(f"its journal has {len(results)} rows for {planned} samples: run its command again")
    elif (lost := share_missing(results, planned)) > LOST:
        out.append(f"{lost:.1%} of its samples have no score, 1 % may: run its command with retry=errors")
    if record.sequential:
        out.append("it was stopped early: run it whole, without stop_early")
    if record.limit is not None:
        out.append(f"it played a draw of {record.counts.samples} samples: run it without limit=, offset= and ids=")
    if run.primary is None:
        out.append("it has no primary metric: see harness show")
    if missing := [k for k in FACTS if not record.environment.get(k)]:
        out.append(f"it does not say what it ran on ({', '.join(missing)}): run it again with this version")
    git = record.git
    if not git.get("commit"):
        out.append("it names no commit: run it inside a git checkout")
    elif git.get("dirty"):
        out.append(f"it ran on {git['commit'][:10]} with uncommitted changes: commit them and run it again")
    if not record.fingerprint:
        out.append("it names no fingerprint of its records: run it again with this version")
    return out


def write(run: StoredRun, folder: Path) -> Path:
    """The run below `folder`/runs, without directories of the machine it ran on. Raises UsageError if refused."""
    if found := problems(run):
        raise UsageError(f"{run.name} is refused: {'; '.join(found)}")
    target = folder / "runs" / run.name
    target.mkdir(parents=True, exist_ok=True)
    write_json(target / "run.json", tidy(run.record.as_json()))
    write_json(target / "metrics.json", json.loads((run.directory.path / "metrics.json").read_text(encoding="utf-8")))
    rows = [_row(json.loads(line)) for _, line in journal.lines(run.directory.journal) if line is not None]
    write_lines(target / journal.FILE, map(journal.sealed, rows))
    return target


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Errors keep their message, not the traceback with its paths."""
    row.pop("crc32", None)
    if row.get("error"):
        row["error"] = {**{k: tidy(v) for k, v in row["error"].items()}, "traceback": ""}
    return row

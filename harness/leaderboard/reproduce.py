"""The command that plays a run again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection

from harness.leaderboard.board import BoardEntry, tidy

LOCAL = re.compile(r"(results|logger|executor|hydra|retry|batch_size|debug|plugins)\b")
"""Settings that change where and how a run is played, not what; plug-in folders are named again below."""


def command(entry: BoardEntry, models: Collection[str]) -> str:
    """One line for a shell, with the model by name where `models` has it; empty where the run records no settings."""
    config = entry.row["config"] or {}
    if entry.origin == "imported" or "overrides" not in config:
        return ""
    words = [str(w) for w in config["overrides"] if not LOCAL.match(str(w).lstrip("+~"))]
    for key, name in (("model", entry.model), ("method", entry.method), ("task", entry.task)):
        known = key != "model" or name in models
        if known and not any(w.startswith(f"{key}=") for w in words):
            words.insert(0, f"{key}={name}")
    words.sort(key=lambda w: next((i for i, k in enumerate(("task=", "model=", "method=")) if w.startswith(k)), 3))
    words += [f"plugins=[{','.join(map(str, config['plugins']))}]"] if config.get("plugins") else []
    return str(tidy(shlex.join(["harness", "eval", *words])))


def versions(entry: BoardEntry) -> str:
    """The commit, else the release, that the run was played with."""
    if entry.row["git_commit"]:
        return f"commit {str(entry.row['git_commit'])[:10]}"
    release = (entry.row["packages"] or {}).get("harness")
    return f"harness {release}" if release else ""

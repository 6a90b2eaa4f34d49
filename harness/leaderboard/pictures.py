"""Pictures of the samples, from the records that the package ships. Official pictures are not ours to publish."""

from __future__ import annotations

import hashlib
from typing import Any

from harness.core.errors import HarnessError
from harness.core.types import Picture
from harness.leaderboard.board import TIERS, Board
from harness.leaderboard.render import Renderer
from harness.records import shown


def export(board: Board, out: Renderer) -> dict[str, list[str]]:
    """Sample id -> its pictures' files, written once each. Empty for official records and unknown tasks."""
    if board.data not in TIERS or board.tier == "own records":
        return {}
    found: dict[str, list[str]] = {}
    try:
        task = _task(board)
        for sample in task.samples():
            files = [f for p in shown(sample.data) if (f := _write(p, out))]
            if files:
                found[sample.id] = files
    except (HarnessError, ImportError, AttributeError, TypeError, KeyError):
        return {}  # another version of the task, or none: the samples are shown without pictures
    return found


def _task(board: Board) -> Any:
    from harness.plugins.build import build_task, target

    config = (board.entries[-1].row["config"] or {})["task"]
    if not target(config).startswith("harness.tasks."):
        raise KeyError(target(config))  # a plug-in's code is not run for a page
    return build_task(config)


def _write(picture: Picture, out: Renderer) -> str | None:
    try:
        kind, data = picture.portable()
    except HarnessError:
        return None
    suffix = kind.removeprefix("image/").replace("jpeg", "jpg")
    path = f"pictures/{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
    if path not in out.written:
        out.bytes(path, data)
    return path

"""What the only run of a folder measured."""

from __future__ import annotations

import json
from pathlib import Path


def metrics(folder: Path) -> dict[tuple[str, str], float]:
    """Values by name and group."""
    (path,) = (folder / "results" / "runs").glob("*/metrics.json")
    return {(m["name"], m["group"]): m["value"] for m in json.loads(path.read_text())}

"""What runs measured, from their metrics.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def metrics(folder: Path) -> dict[tuple[str, str], float]:
    """Values of the only run of a folder, by name and group."""
    (path,) = (folder / "results" / "runs").glob("*/metrics.json")
    return {(m["name"], m["group"]): m["value"] for m in json.loads(path.read_text())}


def stored(pattern: str = "*") -> dict[tuple[str, str], dict[str, Any]]:
    """Metrics of the only run in the working directory whose name fits the pattern, by name and group."""
    (path,) = Path("results/runs").glob(f"{pattern}/metrics.json")
    return {(m["name"], m["group"]): m for m in json.loads(path.read_text())}

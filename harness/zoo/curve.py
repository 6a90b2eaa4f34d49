"""The learning curve of a training, from the log of the loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_curve(log: Path, slices: list[str]) -> list[dict[str, Any]]:
    """Points (step, CPU seconds, training loss since the point before, score by slice) from a log; of a step that was
    logged twice, as after a resume, the last."""
    rows = {row["step"]: row for row in map(json.loads, log.read_text().splitlines())}
    return [
        {
            "step": row["step"],
            "seconds": round(60 * row["minutes"], 1),
            **({"loss": row["loss"]} if "loss" in row else {}),
            "scores": {name: row[name] for name in slices if name in row},
        }
        for _, row in sorted(rows.items())
    ]

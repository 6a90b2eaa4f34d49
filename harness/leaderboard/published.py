"""Figures from papers, results/published/*.csv: facts with their sources, beside what was measured."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.core.errors import UsageError

COLUMNS = ("task", "data", "group", "metric", "method", "model", "value", "decoding", "source", "note")


@dataclass(frozen=True)
class Figure:
    """One number of a paper, a README or a leaderboard. Rates are between 0 and 1."""

    task: str
    data: str
    group: str
    metric: str
    method: str
    model: str
    value: float
    decoding: str
    source: str
    note: str


def read(folder: Path) -> list[Figure]:
    """Every file of the folder. Raises UsageError, naming the file and line, where one does not fit the columns."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise UsageError(f"{path}: its columns must be {','.join(COLUMNS)}")
            for number, row in enumerate(reader, 2):
                try:
                    found.append(Figure(**{**row, "value": float(row["value"])}))
                except (TypeError, ValueError) as e:
                    raise UsageError(f"{path}, line {number}: {e}") from e
                if not found[-1].source:
                    raise UsageError(f"{path}, line {number}: a published figure needs its source")
    return found


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A model's or method's name for comparing: LLaVA-1.5-7B and llava-1.5-7b are the same."""
    return "".join(c for c in name.lower() if c.isalnum() or c == ".").removesuffix("instruct")

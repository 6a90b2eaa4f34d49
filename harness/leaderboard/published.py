"""Figures from papers, results/published/*.csv: facts with their sources, beside what was measured."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.core.errors import UsageError

COLUMNS = ("task", "data", "group", "metric", "method", "model", "value", "decoding", "source", "note")

VARIANTS = {("mm_niah", "official"): "test"}
NAMES = {
    **{("mm_niah", "accuracy", f"{k}K"): ("official", f"{k}k") for k in (1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 64)},
    **{
        ("screenspot", "accuracy", f"{place}-{kind}"): ("accuracy", f"{place}_{kind}".lower())
        for place in ("Mobile", "Desktop", "Web")
        for kind in ("Text", "Icon")
    },
    ("stare", "score", "overall"): ("overall", "all"),
    ("stare", "score", "2D_trans, no VisSim"): ("accuracy", "2D transformation"),
    ("stare", "score", "2D_trans, VisSim"): ("accuracy", "2D transformation, simulated"),
    ("stare", "score", "3D_trans, no VisSim"): ("accuracy", "3D transformation"),
    ("stare", "score", "3D_trans, VisSim"): ("accuracy", "3D transformation, simulated"),
    ("stare", "score", "temporal, no VisSim"): ("accuracy", "temporal"),
    ("stare", "score", "perspective, no VisSim"): ("accuracy", "perspective"),
}
"""(task, metric, group) of a source -> metric and group of runs. Averages that may be one of two are left out."""


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

    @property
    def here(self) -> tuple[str, str, str]:
        """Data variant, metric and group as runs name them; the paper's own where no run has the same quantity."""
        data = VARIANTS.get((self.task, self.data), self.data)
        return data, *NAMES.get((self.task, self.metric, self.group), (self.metric, self.group))


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

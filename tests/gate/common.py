"""Runs of the toy task with any answers wanted, by replay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from harness.cli import main

PLUGINS = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"
N = 1200  # 300 clusters of four


def answers(wrong: float, seed: int = 0, flip: float = 0.0, n: int = N, odd: int = -1) -> Path:
    """The replay file, always of the same name: `wrong` share of wrong answers; of the right ones, `flip` more become
    wrong, and sample `odd`."""
    rng = np.random.default_rng(seed)
    bad, worse = rng.random(n) < wrong, np.random.default_rng([seed, 1]).random(n) < flip
    rows = [{"id": f"s{i}", "answer": "x" if bad[i] else "y" if worse[i] else str(i % 7 + i % 5)} for i in range(n)]
    if odd >= 0:
        rows[odd]["answer"] = "z"
    path = Path("answers.jsonl")
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def replies(path: Path) -> list[str]:
    return [json.loads(line)["answer"] for line in path.read_text().splitlines()]


def play(path: Path, results: str = "results", n: int = N, *words: str) -> str:
    """Run it; the name of the run."""
    before = set(Path(results).glob("runs/*")) if Path(results).exists() else set()
    code = main(
        [
            "eval",
            "task=sums",
            f"task.n={n}",
            PLUGINS,
            "model=replay",
            f"model.path={path}",
            f"results={results}",
            *words,
        ]
    )
    assert code == 0
    (new,) = set(Path(results).glob("runs/*")) - before
    return new.name

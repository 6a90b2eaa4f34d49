"""How long a full `harness ingest` takes: `python benchmarks/ingest.py [--rows 1000000] [--runs 100]`.

Makes run directories as an evaluation leaves them (answers of 60 words, scores, details), ingests all of them into a
new database, again into the same one, then one of them, then reads. On a machine with other work, judge by the CPU
time: parsing and writing use all cores.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from harness.store import Store, ingest
from harness.store.database import sql

WORDS = (
    "a",
    "the",
    "dog",
    "cat",
    "table",
    "person",
    "sits",
    "on",
    "near",
    "red",
    "small",
    "image",
    "there",
    "is",
    "with",
)


def make(results: Path, runs: int, rows: int, words: int) -> int:
    """Bytes of all journals."""
    rng = random.Random(0)
    size = 0
    for r in range(runs):
        name = f"pope-coco-method{r}-llava-{r:010x}"
        folder = results / "runs" / name
        folder.mkdir(parents=True)
        lines = []
        for i in range(rows // runs):
            score = float(rng.random() < 0.8)
            sample = {
                "id": f"coco-{i:06d}",
                "group": ("random", "popular", "adversarial")[i % 3],
                "cluster": f"coco:{i // 18:012d}",
                "target": "yes",
                "answer": " ".join(rng.choices(WORDS, k=words)),
                "verdict": "yes" if score else "no",
                "scores": {"correct": score, "yes": score},
                "details": {"object": "dog", "parsed": True},
                "error": None,
                "prompt": f"{rng.getrandbits(256):064x}",
                "prompt_tokens": 620,
                "new_tokens": words,
                "latency": rng.random(),
                "finish": "stop",
                "calls": 1,
            }
            lines.append(json.dumps(sample))
        (folder / "samples.jsonl").write_text("\n".join(lines) + "\n")
        size += (folder / "samples.jsonl").stat().st_size
        record = {
            "schema": 1,
            "run": name,
            "status": "done",
            "task": "pope",
            "data": "coco",
            "model": "llava",
            "method": f"method{r}",
            "methods": [f"method{r}"],
            "started": f"2026-01-01T{r // 60 % 24:02d}:{r % 60:02d}:00+00:00",
            "counts": {"samples": len(lines), "done": len(lines), "errors": 0},
            "environment": {"python": "3.12", "packages": {"torch": "2.9.0"}, "hardware": {}, "git": None},
            "config": {"task": {"data": "coco"}},
        }
        (folder / "run.json").write_text(json.dumps(record))
        metrics = [{"name": f"metric{m}", "value": rng.random(), "group": "all", "primary": m == 0} for m in range(20)]
        (folder / "metrics.json").write_text(json.dumps(metrics))
    return size


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000, help="samples in all")
    arguments.add_argument("--runs", type=int, default=100, help="run directories")
    arguments.add_argument("--words", type=int, default=60, help="words in an answer")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        size = make(results, given.runs, given.rows, given.words)
        print(f"{given.rows} rows in {given.runs} runs, {size / 2**20:.0f} MiB of JSON")
        one = next((results / "runs").iterdir())
        for what, folders in (("all runs, new database", None), ("all runs again", None), ("one run again", [one])):
            before = time.process_time()
            report = ingest(results, folders)
            print(f"{what:<24} {report.seconds:6.2f} s wall, {time.process_time() - before:6.2f} s CPU")
        began = time.perf_counter()
        with Store(results) as store:
            runs = store.query(sql("queries/board_runs.sql"))
            listed = time.perf_counter()
            store.query(sql("queries/board_answers.sql"), {"run": runs[0]["run"]})
        print(f"open and list runs       {listed - began:6.2f} s, its samples {time.perf_counter() - listed:.3f} s")
        print(f"database                 {(results / 'harness.duckdb').stat().st_size / 2**20:6.0f} MiB")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(f"peak memory              {peak:6.0f} MiB")


if __name__ == "__main__":
    main()

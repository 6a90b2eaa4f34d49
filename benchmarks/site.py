"""How long a site takes, and how large it is: python benchmarks/site.py [--runs 300] [--samples 1000000] [--browser].

Makes a store of several models, methods and tasks (answers of twenty words), builds the site, and, with `--browser`,
opens the overview in Chromium from loopback.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import threading
import time
from pathlib import Path

from harness.leaderboard.build import build
from harness.store import ingest

TASKS = ("pope", "chair", "screenspot")
MODELS = ("llava-1.5-7b", "qwen2-vl-7b", "internvl3-8b", "smolvlm", "tiny-llava")
WORDS = "a the dog cat table person sits on near red small image there is with".split()  # noqa: SIM905


def make(results: Path, runs: int, samples: int) -> None:
    """Run directories: every method on every task and model in turn."""
    rng = random.Random(0)
    for r in range(runs):
        task, model = TASKS[r % 3], MODELS[r // 3 % 5]
        method = "vanilla" if r < 15 else f"method{r // 15:02d}"
        name = f"{task}-official-{method}-{model}-{r:010x}"
        folder = results / "runs" / name
        folder.mkdir(parents=True)
        rate = 0.75 + 0.15 * rng.random()
        lines = []
        for i in range(samples // runs):
            score = float(rng.random() < rate)
            row = {
                "id": f"{task}-{i:06d}",
                "group": ("random", "popular", "adversarial")[i % 3],
                "cluster": f"coco:{i // 18:012d}",
                "target": "yes",
                "answer": " ".join(rng.choices(WORDS, k=20)),
                "verdict": "yes" if score else "no",
                "scores": {"correct": score},
                "details": {"question": "Is there a dog in the image?"},
                "error": None,
                "prompt": f"{i:064x}",
                "prompt_tokens": 620,
                "new_tokens": 20,
                "latency": rng.random(),
                "finish": "stop",
                "calls": 1,
            }
            lines.append(json.dumps(row))
        (folder / "samples.jsonl").write_text("\n".join(lines) + "\n")
        record = {
            "schema": 1,
            "run": name,
            "status": "done",
            "task": task,
            "task_version": "1",
            "data": "coco",
            "model": model,
            "method": method,
            "methods": [method],
            "started": f"2026-01-{1 + r // 24 % 28:02d}T{r % 24:02d}:00:00+00:00",
            "counts": {"samples": len(lines), "done": len(lines), "errors": 0},
            "environment": {"python": "3.12", "packages": {"torch": "2.9.0"}, "hardware": {}, "git": None},
            "config": {"task": {"data": "coco"}, "model": {"name": model}},
            "work": {"passes": 3 * len(lines), "positions": (20 + r % 7) * len(lines), "samples": len(lines)},
        }
        (folder / "run.json").write_text(json.dumps(record))
        metric = {"name": "accuracy", "value": rate, "low": rate - 0.02, "high": rate + 0.02, "group": "all"}
        groups = [{**metric, "group": g} for g in ("random", "popular", "adversarial")]
        (folder / "metrics.json").write_text(json.dumps([{**metric, "primary": True}, *groups]))


def opened(site: Path) -> float:
    """Seconds until the overview has loaded, the second of two visits by fresh contexts."""
    from playwright.sync_api import sync_playwright

    from harness.leaderboard.serve import server

    made = server(site, 0)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium-headless-shell", args=["--no-sandbox"])
        for _ in range(2):
            page = browser.new_context().new_page()
            began = time.perf_counter()
            page.goto(f"http://127.0.0.1:{made.server_port}/index.html", wait_until="load")
            took = time.perf_counter() - began
        browser.close()
    made.shutdown()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--samples", type=int, default=1_000_000, help="in all runs together")
    parser.add_argument("--browser", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, out = Path(folder) / "results", Path(folder) / "site"
        make(results, given.runs, given.samples)
        ingest(results)
        began = time.perf_counter()
        made = build(results, out)
        print(f"build          {time.perf_counter() - began:8.1f} s, {made.files} files, {made.bytes / 1e6:.0f} MB")
        first = sum((out / p).stat().st_size for p in ("index.html", "assets/style.css", "assets/tables.js"))
        print(f"first page     {(first + (out / 'assets/theme.js').stat().st_size) / 1000:8.1f} KB")
        print(f"peak memory    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:8.0f} MiB")
        if given.browser:
            print(f"overview opens {opened(out):8.2f} s")


if __name__ == "__main__":
    main()

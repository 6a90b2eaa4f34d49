"""A results folder made by hand: several methods on two models, hostile texts, an incomplete run, references."""

from __future__ import annotations

import json
import random
from pathlib import Path

from harness.store import ingest

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)> \" ' & {{ 7*7 }} \u202e \x00"
FAULT = {
    "type": "Unusable",
    "traceback": 'Traceback:\n  File "/home/someone/harness/play.py", line 7, in ask\nUnusable\n',
}
GROUPS = ("random", "popular", "adversarial")


def run(
    results: Path,
    method: str,
    rate: float,
    *,
    model: str = "tiny",
    task: str = "quiz",
    data: str = "embedded",
    n: int = 240,
    seed: int = 0,
    errors: int = 0,
    limit: int | None = None,
    day: int = 1,
    commit: str = "a" * 40,
    settings: str = "",
    ratio: bool = False,
    question: str = "Is there a dog?",
    **record,
) -> str:
    """One finished run directory. Answers are right at `rate`, and the same items are hard for every method."""
    name = f"{task}-{data}-{method}-{model}-{day:02d}{seed:02d}{len(settings):02d}".replace("/", "_")
    folder = results / "runs" / name
    folder.mkdir(parents=True)
    hard, own = random.Random(0), random.Random(f"{method}{model}{seed}{day}")
    rows = []
    for i in range(n):
        luck = 0.8 * hard.random() + 0.2 * own.random()
        right = float(luck < rate)
        scores = {"correct": right}
        if ratio:
            scores = {"bad": float(right == 0), "wrong": 1.0 - right, "named": 2.0}
        failed = i < errors
        row = {
            "id": f"q{i}",
            "group": GROUPS[i % 3],
            "cluster": f"{data}:{i // 6}",
            "target": ["dog", "cat"] if ratio else "yes",
            "answer": HOSTILE if i == 1 else "yes" if right else "no",
            "verdict": None if i == 1 else "yes",
            "scores": None if failed else scores,
            "details": {"question": question, "image": f"{i // 6}.png"},
            "error": {**FAULT, "message": f"no picture {i} {HOSTILE}"} if failed else None,
            "prompt": f"{i:064x}",
            "prompt_tokens": 9,
            "new_tokens": 2,
            "latency": 0.01 + 0.001 * (i % 17),
            "finish": "stop",
            "calls": 1,
        }
        rows.append(row)
    (folder / "samples.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    scored = [r for r in rows if r["scores"]]
    value = sum(next(iter(r["scores"].values())) for r in scored) / len(scored)
    metric = {"name": "bad_i" if ratio else "accuracy", "value": value, "low": value - 0.05, "high": value + 0.05}
    metric |= {"n": n, "clusters": n // 6, "higher_is_better": not ratio, "score": "wrong/named" if ratio else ""}
    metrics = [{**metric, "group": "all", "primary": True}, *({**metric, "group": g} for g in GROUPS)]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    overrides = [f"task={task}", f"method={method}", *([settings] if settings else [])]
    made = {
        "schema": 1,
        "run": name,
        "status": "partial" if errors else "done",
        "task": task,
        "task_version": "1",
        "data": data,
        "model": model,
        "method": method,
        "methods": [method],
        "seed": seed,
        "limit": limit,
        "decoding": {"strategy": "greedy"},
        "identity": {"task": {"name": task, "version": "1", "fingerprint": "f" * 64}},
        "started": f"2026-01-{day:02d}T00:00:00+00:00",
        "finished": f"2026-01-{day:02d}T00:01:00+00:00",
        "counts": {"samples": n, "done": n, "errors": errors, "requests": n, "asked": n},
        "work": {"passes": 3 * n, "positions": (20 + 10 * (method != "vanilla")) * n, "samples": n},
        "wall_seconds": 60.0,
        "command": f"harness eval {' '.join(overrides)} results=/home/someone/results",
        "environment": {
            "python": "3.12.1",
            "platform": "Linux",
            "packages": {"torch": "2.9.0"},
            "hardware": {"cpu": "CPU", "cores": 2, "gpu": []},
            "git": {"commit": commit, "committed": f"2026-01-{day:02d}T00:00:00+00:00", "dirty": False},
        },
        "config": {
            "task": {"name": task, "data": data},
            "model": {"name": model, "path": "/home/someone/models/weights"},
            "overrides": overrides,
        },
        **record,
    }
    (folder / "run.json").write_text(json.dumps(made))
    return name


def board(results: Path) -> Path:
    """The whole variety."""
    for model in ("tiny", "large"):
        run(results, "vanilla", 0.6, model=model)
        run(results, "vista", 0.75, model=model)
        run(results, "vcd", 0.5, model=model)
        run(results, "pai", 0.61, model=model, settings="method.pai.alpha=0.9")
    run(results, "dola", 0.7, errors=12)
    run(results, "vanilla", 0.6, model="chance", seed=5)
    run(results, "vanilla", 0.6, task="captions", ratio=True)
    run(results, "vista", 0.8, task="captions", ratio=True)
    run(results, "vanilla", 0.7, data="coco", question=HOSTILE)
    run(results, "evil<b>/../x", 0.7, data="coco")
    replay = {"name": "large", "_target_": "harness.models.replay.Replay"}
    run(results, "vista", 0.72, data="coco", config={"task": {"data": "coco"}, "model": replay, "overrides": []})
    for day, rate in enumerate((0.6, 0.6, 0.6, 0.9, 0.9, 0.9), 2):
        run(results, "vanilla", rate, model="old", day=day, commit=f"{day:040x}")
    ingest(results)
    return results

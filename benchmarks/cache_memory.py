"""What dropping entries of the key-value cache saves: peak bytes of the cache on long prompts.

    python benchmarks/cache_memory.py [--lengths 4096 8000] [--budgets 0.1] [--methods streaming_llm snapkv] [--model M]

One needle prompt of each length (task=niah, variant single_2), up to 32 new tokens, `cache=evict`. `cache_bytes` is
what keys and values of all layers took at most, counted after each layer of each pass; `all` keeps everything, under
the same code. Each run is a child process; the operating system says what it held at its peak.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from one_run import ONE_THREAD, played


def run(folder: Path, model: str, length: int, method: str, budget: float | None) -> dict[str, float]:
    """Figures of one run: cache_bytes, kept_share, string_match; MiB of the process; CPU seconds."""
    results = folder / f"{length}-{method}-{budget}"
    words = ["task=niah", f"model={model}", f"task.lengths=[{length}]", "task.variants=[single_2]", "limit=1"]
    words += ["task.max_new_tokens=32", f"method={method}", f"method.{method}.cache=evict"]
    words += [f"method.{method}.budget={'null' if budget is None else budget}"]
    made, mib, cpu = played(results, words, **ONE_THREAD)
    metrics = json.loads((made / "metrics.json").read_text())
    return {m["name"]: m["value"] for m in metrics if m["group"] == "all"} | {"process": mib, "cpu": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[4096, 8000], help="of the embedded records")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.1])
    parser.add_argument("--methods", nargs="+", default=["streaming_llm", "snapkv"])
    parser.add_argument("--model", default="smollm2")
    given = parser.parse_args()
    print("| prompt | method | budget | kept | cache, MiB | of all | process, MiB | CPU s | found |")
    print(f"|---:|---|{'---:|' * 7}", flush=True)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        for length in given.lengths:
            full = 0.0
            for method, budget in [("window", None), *((m, b) for b in given.budgets for m in given.methods)]:
                f = run(Path(folder), given.model, length, method, budget)
                full = full or f["cache_bytes"]
                name, share = ("all", "all") if budget is None else (f"`{method}`", f"{budget:g}")
                cells = [f"{f['kept_share']:.3f}", f"{f['cache_bytes'] / 2**20:.1f}", f"{f['cache_bytes'] / full:.3f}"]
                cells += [f"{f['process']:.0f}", f"{f['cpu']:.0f}", f"{f['string_match']:.0f}"]
                print(f"| {length} | {name} | {share} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

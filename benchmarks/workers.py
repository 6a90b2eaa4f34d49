"""Ray workers on a model that only waits: `python benchmarks/workers.py [--workers 1 2 4] [--samples 2000]`.

`model=chance` sleeps for `--seconds` a question, as a GPU or a server of its own would keep it waiting, so that what is
measured is how well the driver keeps workers busy. Each run is a process of its own. Its rate is taken between the
first shard that comes back and the last one: starting Ray and its workers (printed apart) is no part of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASK = """
import time
from harness.core import Outcome, Request, Sample, Score, Task, user
from harness.records.means import means


class Many(Task):
    scores = (Score("correct", primary=True),)

    def __init__(self, count, seconds):
        self.count, self.seconds = count, seconds

    def samples(self):
        for i in range(self.count):
            yield Sample(str(i), str(i // 4), "all", "yes")

    def episode(self, sample):
        reply = yield Request(user(f"Is {sample.id} a number?"), 8)
        return Outcome(reply.text, {"correct": float(reply.text == "yes")}, reply.text)

    def aggregate(self, results):
        return means(results, self.scores, "accuracy")

    def fingerprint(self):
        return str(self.count)

    def chance(self, sample, request, rng):
        time.sleep(self.seconds)
        return "yes"
"""
YAML = """
_target_: sleepy.task.Many
version: 1
default_model: chance
card: {title: many questions}
defaults: {count: 1000, seconds: 0.02}
"""


def timed(words: list[str]) -> None:
    """One run in this process; prints its times."""
    from harness.loggers.console import Console

    seen: list[tuple[float, float, int]] = []
    plain = Console.progress

    def progress(self: Console, results: list, score: object) -> None:
        seen.append((time.monotonic(), time.process_time(), len(results)))
        plain(self, results, score)  # type: ignore[arg-type]

    Console.progress = progress  # type: ignore[method-assign]
    from harness.cli import main

    began = time.monotonic()
    code = main(["eval", *words, "logger=quiet"])
    seconds, cpu = (seen[-1][i] - seen[0][i] for i in (0, 1))
    count = sum(n for *_, n in seen[1:])
    told = {"code": code, "start": seen[0][0] - began, "rate": count / seconds, "cpu": cpu, "samples": count}
    print(json.dumps(told))


def run(folder: Path, workers: int, samples: int, seconds: float, shard: int) -> dict[str, float]:
    """The times of a run in a process of its own."""
    words = ["task=sleepy", f"task.count={samples}", f"task.seconds={seconds}", f"plugins=[{folder}]"]
    ray = ["executor=ray", f"executor.workers={workers}", f"executor.shard={shard}", "executor.cpus=0.1"]
    command = [sys.executable, __file__, "--one", *words, *ray, f"results={folder / str(workers)}"]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
        assert found["code"] == 0
    except (IndexError, ValueError, AssertionError):
        raise SystemExit(f"the run with {workers} workers failed: {done.stderr[-2000:]}") from None
    return found


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        timed(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=0.02)
    parser.add_argument("--shard", type=int, default=40)
    given = parser.parse_args()
    print("| workers | samples a second | of linear | s until the first shard | driver, CPU ms a sample |")
    print("|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        plugin = Path(folder, "sleepy")
        plugin.mkdir()
        for name, text in {"__init__.py": "", "task.py": TASK, "task.yaml": YAML}.items():
            (plugin / name).write_text(text)
        for workers in given.workers:
            found = run(Path(folder), workers, given.samples, given.seconds, given.shard)
            share = found["rate"] * given.seconds / workers
            cpu = 1000 * found["cpu"] / found["samples"]
            print(f"| {workers} | {found['rate']:.1f} | {share:.0%} | {found['start']:.1f} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()

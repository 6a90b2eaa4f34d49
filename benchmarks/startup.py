"""How long the command line takes to answer, beside a bare `python -c pass`, and how long a run's first sample takes,
with and without the parts of transformers and torch that a run never calls (harness/models/hf/light.py).

usage: python benchmarks/startup.py [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "harness --help": [sys.executable, "-m", "harness", "--help"],
    "harness list methods": [sys.executable, "-m", "harness", "list", "methods"],
    "harness eval --help": [sys.executable, "-m", "harness", "eval", "--help"],
    'harness complete "eval task="': [sys.executable, "-m", "harness", "complete", "eval task="],
}
FIRST = """
from harness.cli import main
from harness.core import process
process.alone = {alone}
main(["eval", "task=pope", "results={results}", "logger=quiet"])
"""


def answered(command: list[str]) -> float:
    """Seconds until the command has ended."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def first_sample(alone: bool) -> float:
    """Seconds until the first answers of embedded POPE are in the journal. `alone`: without what is never called."""
    with tempfile.TemporaryDirectory() as results:
        began = time.perf_counter()
        with subprocess.Popen([sys.executable, "-c", FIRST.format(alone=alone, results=results)]) as run:
            while not any(p.stat().st_size for p in Path(results).glob("runs/*/samples.jsonl")):
                if run.poll() is not None:
                    raise SystemExit("the run has ended without an answer")
                time.sleep(0.01)
            seconds = time.perf_counter() - began
            run.kill()
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    first: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            times[name].append(answered(command))
        for alone, found in first.items():
            found.append(first_sample(alone))
    bare = statistics.median(times["python -c pass"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:<32} {middle:.3f} s median of {repeats}, {middle / bare:.1f} times bare Python")
    light, whole = (statistics.median(first[alone]) for alone in (True, False))
    print(f"{'first sample of POPE':<32} {light:.2f} s median of {repeats}, {whole:.2f} s with all imports")


if __name__ == "__main__":
    main()

"""How long the command line takes to answer, beside a bare `python -c pass` in the same run.

usage: python benchmarks/startup.py [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "harness --help": [sys.executable, "-m", "harness", "--help"],
    "harness list methods": [sys.executable, "-m", "harness", "list", "methods"],
    "harness eval --help": [sys.executable, "-m", "harness", "eval", "--help"],
    'harness complete "eval task="': [sys.executable, "-m", "harness", "complete", "eval task="],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - began)
    bare = statistics.median(times["python -c pass"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:<32} {middle:.3f} s median of {repeats}, {middle / bare:.1f} times bare Python")


if __name__ == "__main__":
    main()

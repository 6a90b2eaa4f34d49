"""How fast models of the zoo read and write, side by side: results/zoo/speed.json, which the site shows.

    python benchmarks/zoo.py [--course mqar] [--length 64] [--rounds 5] [--out FILE] [--weights DIR]

One process, one thread, CPU seconds. Models take turns in each round, and the median over rounds counts, so that a busy
machine touches all of them alike. Prefill: 16 sequences in one pass. Decoding: one sequence, position by position.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from harness.plugins.registry import ROOT
from harness.runs.environment import environment

ROWS = 16
"""Sequences of a prefill."""
LEAST = 0.05
"""CPU seconds that a measurement takes at least."""


def models(folder: Path, course: str) -> dict[str, Any]:
    """Model -> its network, of those that were trained on the course."""
    from harness.zoo.trained import all_of, models

    found = {}
    for name in models(folder):
        seeds = sorted(int(p.stem.rpartition("-")[2]) for p in (folder / name).glob(f"{course}-*.safetensors"))
        if seeds:
            found[name] = all_of(name, seeds[0], folder)[course].load()
    return found


def rate(work: Callable[[], object], tokens: int) -> float:
    """Tokens per CPU second of what `work` does, repeated until it has taken `LEAST`."""
    work()
    begun, times = time.process_time(), 0
    while (spent := time.process_time() - begun) < LEAST:
        work()
        times += 1
    return tokens * times / spent


def reading(network: Any, length: int) -> Callable[[], object]:
    import torch

    shape = network.shape
    values = torch.randint(shape.symbols, (ROWS, length)) if shape.symbols else torch.randn(ROWS, length, shape.vectors)
    return lambda: network(values)


def writing(network: Any, length: int) -> Callable[[], object]:
    import torch

    shape = network.shape
    values = torch.randint(shape.symbols, (length, 1)) if shape.symbols else torch.randn(length, 1, shape.vectors)

    def write() -> None:
        state = network.start(1)
        for value in values:
            _, state = network.step(value, state)

    return write


def measured(networks: dict[str, Any], length: int, rounds: int) -> dict[str, dict[str, float | None]]:
    """Model -> median tokens a second of prefill and decoding (None where it has no recurrent form)."""
    found: dict[str, dict[str, list[float]]] = {name: {"prefill": [], "decode": []} for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            found[name]["prefill"].append(rate(reading(network, length), ROWS * length))
            if network.recurrent:
                found[name]["decode"].append(rate(writing(network, length), length))
    return {name: {k: round(median(v), 1) if v else None for k, v in of.items()} for name, of in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--course", default="mqar")
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "results/zoo/speed.json")
    given = parser.parse_args()
    import torch

    from harness.zoo.trained import COMMITTED

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with torch.no_grad():
        networks = models(given.weights or COMMITTED, given.course)
        if not networks:
            print(f"no model was trained on {given.course}: name the folder of others by --weights", file=sys.stderr)
            return 2
        speeds = measured(networks, given.length, given.rounds)
    rows = [{"model": name, "course": given.course, "length": given.length, **of} for name, of in speeds.items()]
    hardware = environment().get("hardware") or {}
    facts = {"measured": datetime.now(UTC).date().isoformat(), "cpu": hardware.get("cpu"), "torch": torch.__version__}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({**facts, "rounds": given.rounds, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    for row in sorted(rows, key=lambda r: -(r["decode"] or 0)):
        decode = f"{row['decode']:8.0f}" if row["decode"] else "       –"
        print(f"{row['model']:24}{row['prefill']:10.0f} tokens/s prefill {decode} tokens/s decoding")
    return 0


if __name__ == "__main__":
    sys.exit(main())

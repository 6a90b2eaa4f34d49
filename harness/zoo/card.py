"""The table of committed models in harness/models/zoo/README.md: python -m harness.zoo.card [--check]."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.zoo.trained import COMMITTED, Trained, models

README = COMMITTED.parent / "README.md"
BEGIN, END = "<!-- made by python -m harness.zoo.card -->", "<!-- end -->"


def every(folder: Path = COMMITTED) -> Iterator[Trained]:
    """All trained models of a folder, by course, name and seed."""
    found = []
    for name in models(folder):
        for file in (folder / name).glob("*.safetensors"):
            course, _, seed = file.stem.rpartition("-")
            found.append(Trained(folder, name, course, int(seed)))
    yield from sorted(found, key=lambda t: (t.course, t.name, t.seed))


def table(folder: Path = COMMITTED) -> str:
    """A line for each, and what training them all took."""
    lines = [
        "| course | model | seed | parameters | steps x batch | rate | CPU s | on held-out examples |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    seconds, machines = 0.0, Counter[str]()
    for t in every(folder):
        f = t.facts
        seconds += f["cpu_seconds"]
        machines[f["device"]] += 1
        scores = ", ".join(f"{k} {v:.3f}" for k, v in f["scores"].items())
        steps = f"{f['steps']} x {f['recipe']['batch']}"
        lines.append(
            f"| {t.course} | {t.name} | {t.seed} | {f['parameters']:,} | {steps} | {f['recipe']['rate']:g} | "
            f"{f['cpu_seconds']:.0f} | {scores} |"
        )
    on = "; ".join(f"{machine} ({count})" for machine, count in machines.most_common())
    return "\n".join(
        [*lines, "", f"{len(lines) - 2} models, {seconds / 60:.0f} CPU minutes on one thread; trained on: {on}."]
    )


def written(text: str, folder: Path = COMMITTED) -> str:
    """The page with the table between its two marks."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table(folder)}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Returns 1 where --check finds an old table."""
    old = README.read_text(encoding="utf-8")
    new = written(old)
    if "--check" not in sys.argv:
        README.write_text(new, encoding="utf-8")
    return int("--check" in sys.argv and new != old)


if __name__ == "__main__":
    sys.exit(main())

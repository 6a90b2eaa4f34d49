"""Peak memory and cost of runs of growing size: `python benchmarks/memory.py [--sizes 1000 ...] [--model tiny-llava]`.

A generated task asks 18 questions about each picture; the pictures are made when they are fetched, as those of a hub
dataset are read. Each run is a child process; the operating system says what it held at its peak.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from one_run import ONE_THREAD, played

TASK = """
import io, random
from harness.core import Outcome, Request, Sample, Score, Task, user
from harness.records import Stored
from harness.records.means import means

NAMES = "dog cat car chair cup bird boat book clock bench horse sheep train truck bottle fork knife spoon".split()


def picture(number):
    from PIL import Image

    out = io.BytesIO()
    Image.frombytes("RGB", (96, 96), random.Random(number).randbytes(96 * 96 * 3)).save(out, "jpeg")
    return out.getvalue()


class Many(Task):
    scores = (Score("correct", primary=True),)

    def __init__(self, count):
        self.count = count

    def samples(self):
        for i in range(self.count):
            if i % 18 == 0:
                shown = Stored(str(i), lambda i=i: picture(i))
            yield Sample(str(i), str(i // 18), "all", "yes", {"image": shown})

    def episode(self, sample):
        question = f"Is there a {NAMES[int(sample.id) % 18]} in the image?"
        reply = yield Request(user(sample.data["image"], question), 8)
        right = float(reply.text.lower().startswith("yes"))
        return Outcome(reply.text, {"correct": right}, reply.text, {"question": question})

    def aggregate(self, results):
        return means(results, self.scores, "accuracy")

    def fingerprint(self):
        return str(self.count)

    def chance(self, sample, request, rng):
        return rng.choice(["yes", "no"])
"""
YAML = """
_target_: many.task.Many
version: 1
default_model: chance
card: {title: many samples}
defaults: {count: 1000}
"""


def peak(folder: Path, model: str, count: int) -> tuple[float, float, float, int]:
    """(MiB of the whole process, MiB while samples were played, CPU seconds, samples answered)."""
    results = folder / str(count)
    words = ["task=many", f"task.count={count}", f"model={model}", f"plugins=[{folder}]"]
    made, whole, cpu = played(results, words, **ONE_THREAD)
    record = json.loads((made / "run.json").read_text())
    return whole, record["peak_memory_bytes"] / 2**20, cpu, record["counts"]["done"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--model", default="chance")
    given = parser.parse_args()
    print("| samples | peak, MiB | while playing, MiB | CPU s | ms for each further sample |")
    print("|---:|---:|---:|---:|---:|")
    before: tuple[int, float] | None = None
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        plugin = Path(folder, "many")
        plugin.mkdir()
        for name, text in (("__init__.py", ""), ("task.py", TASK), ("task.yaml", YAML)):
            (plugin / name).write_text(text)
        for count in given.sizes:
            whole, playing, cpu, done = peak(Path(folder), given.model, count)
            assert done == count
            each = f"{1000 * (cpu - before[1]) / (count - before[0]):.3f}" if before else ""
            before = count, cpu
            print(f"| {count:,} | {whole:.0f} | {playing:.0f} | {cpu:.1f} | {each} |", flush=True)


if __name__ == "__main__":
    main()

"""What it gains that samples which end make room for others: CPU seconds beside batches that wait, and where they go.

    python benchmarks/refill.py [chair vic_bench mm_niah niah smol pope] [--samples N] [--method NAME] [--ways ...]

Each task is played three times in this process, on one thread, with the model loaded: in batches that wait for their
longest answer, with rows that are filled again, and with guesses of copied tokens besides. `smol` is CHAIR on
smol-llava. Answers are compared text for text; exit 1 where one differs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

TASKS = {"chair": ("tiny-llava", 200), "vic_bench": ("tiny-llava", 60), "mm_niah": ("tiny-llava", 18)}
TASKS |= {"niah": ("smollm2", 16), "smol": ("smol-llava", 96), "pope": ("tiny-llava", 1800)}
"""Model, and samples that are played."""
WAYS = {"waiting": "false", "refilled": "false", "guessing": "true"}
"""And whether each guesses."""


GUESSED = 8
"""Tokens beside the last one that a step of decoding reads at most; prompts are longer."""


class Clock:
    """CPU seconds by what is done: pictures and words prepared, pictures and prompts read, steps of decoding."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._began: list[float] = []

    def wrap(self, owner: Any, name: str, label: str) -> Any:
        inner = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return inner(*args, **kwargs)
            finally:
                self.spent[label] += time.process_time() - began

        return mock.patch.object(owner, name, timed)

    def enter(self, _module: Any, _args: Any, _kwargs: Any) -> None:
        self._began.append(time.process_time())

    def leave(self, _module: Any, _args: Any, kwargs: Any, _out: Any) -> None:
        ids = kwargs.get("input_ids")
        label = "pictures" if ids is None else "decode" if ids.shape[1] <= 1 + GUESSED else "prompts"
        self.spent[label] += time.process_time() - self._began.pop()
        self.calls[label] += 1


def played(task: str, model: str, samples: int, way: str, more: list[str]) -> dict[str, Any]:
    """One run: answers by sample, CPU seconds in all and by part, steps."""
    from harness.cli import main
    from harness.models.hf.model import HFModel
    from harness.models.hf.prompts import Prompts

    clock, load = Clock(), HFModel.load
    name = "chair" if task == "smol" else task

    def loaded(self: Any, methods: Any) -> None:
        began = time.process_time()
        load(self, methods)
        clock.spent["load"] += time.process_time() - began
        self.prompts._seen.clear()  # pictures that the run before has prepared
        self.prompts._kept = 0
        tower = getattr(self.model.base_model, "vision_tower", None)
        for module in [self.model, *([tower] if tower is not None else [])]:
            stack.callback(module.register_forward_pre_hook(clock.enter, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(clock.leave, with_kwargs=True).remove)

    words = ["eval", f"task={name}", f"model={model}", "task.data=embedded", f"limit={samples}", "logger=quiet", *more]
    words.append(f"model.lookup={WAYS[way]}")
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as results, contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(HFModel, "load", loaded))
        stack.enter_context(clock.wrap(Prompts, "encode", "prepare"))
        if way == "waiting":
            stack.enter_context(mock.patch("harness.steering.refill.hindrance", lambda *_: "the benchmark"))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        began = time.process_time()
        if main([*words, f"results={results}"]):
            raise SystemExit(f"harness {' '.join(words)} failed")
        whole = time.process_time() - began - clock.spent.pop("load")
        (journal,) = Path(results).glob("runs/*/samples.jsonl")
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return {
        "answers": {line["id"]: (line["answer"], line["new_tokens"]) for line in lines},
        "seconds": whole,
        "split": {k: round(v, 3) for k, v in clock.spent.items()},
        "steps": clock.calls["decode"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=["chair", "vic_bench", "mm_niah", "niah"])
    parser.add_argument("--samples", type=int)
    parser.add_argument("--method")
    parser.add_argument(
        "--ways", nargs="*", default=list(WAYS), choices=list(WAYS), help="the first one is compared with"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    more = [f"method={given.method}"] if given.method else []
    found, same = {}, True
    for task in given.tasks:
        model, samples = TASKS[task]
        samples = given.samples or samples
        played(task, model, 2, "refilled", more)  # loads the model
        runs = {way: played(task, model, samples, way, more) for way in given.ways}
        waiting = runs[given.ways[0]]
        print(f"{task} on {model}, {len(waiting['answers'])} samples")
        for way, run in runs.items():
            rest = run["seconds"] - sum(run["split"].values())
            parts = ", ".join(f"{k} {v:.2f}" for k, v in sorted(run["split"].items()))
            equal = sum(run["answers"].get(i) == said for i, said in waiting["answers"].items())
            same = same and equal == len(waiting["answers"]) == len(run["answers"])
            print(
                f"  {way:9} {run['seconds']:7.2f} CPU s ({parts}, else {rest:.2f}), {run['steps']} steps, "
                f"{waiting['seconds'] / run['seconds']:.2f} times the samples per CPU second, {equal} equal answers",
                flush=True,
            )
        found[task] = {way: {k: v for k, v in run.items() if k != "answers"} for way, run in runs.items()}
        found[task]["samples"] = len(waiting["answers"])
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

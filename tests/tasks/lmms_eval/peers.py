"""Small local tasks in lmms-eval's YAML on the embedded POPE pictures, and lmms-eval's own run of them."""

import json
import subprocess
import sys
from pathlib import Path

POPE = """
task: local_pope
dataset_path: parquet
dataset_kwargs: {data_files: {test: FOLDER/pope.parquet}}
test_split: test
output_type: generate_until
doc_to_visual: !function local.pictures
doc_to_text: !function local.asked
doc_to_target: answer
generation_kwargs: {max_new_tokens: 8, temperature: 0, do_sample: false}
process_results: !function local.scored
metric_list:
  - {metric: local_accuracy, aggregation: !function local.average, higher_is_better: true}
  - {metric: local_f1, aggregation: !function local.f1, higher_is_better: true}
lmms_eval_specific_kwargs:
  default: {post_prompt: "\\nAnswer the question using a single word or phrase."}
metadata: [{version: 1.0}]
"""
PLAIN = """
task: local_exact
dataset_path: parquet
dataset_kwargs: {data_files: {test: FOLDER/pope.parquet}}
test_split: test
output_type: generate_until
doc_to_visual: !function local.pictures
doc_to_text: question
doc_to_target: answer
generation_kwargs: {max_new_tokens: 8}
filter_list:
  - {name: first, filter: [{function: take_first}]}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, ignore_punctuation: true}
metadata: [{version: 1.0}]
"""
CHOICE = """
task: local_choice
dataset_path: parquet
dataset_kwargs: {data_files: {test: FOLDER/pope.parquet}}
test_split: test
output_type: multiple_choice
doc_to_visual: !function local.pictures
doc_to_text: question
doc_to_target: label
doc_to_choice: ["Yes", "No"]
target_delimiter: " "
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: [{version: 1.0}]
"""
GROUP = """
group: local_group
task: [local_pope, local_exact]
"""
CODE = """
def pictures(doc):
    return [doc["image"].convert("RGB")]


def asked(doc, kwargs):
    return doc["question"] + kwargs["post_prompt"]


def scored(doc, results):
    said = results[0].lower().startswith("yes")
    wanted = doc["answer"] == "yes"
    return {"local_accuracy": float(said == wanted), "local_f1": {"said": said, "wanted": wanted}}


def average(items):
    return sum(items) / len(items)


def f1(items):
    both = sum(i["said"] and i["wanted"] for i in items)
    return 2 * both / max(1, sum(i["said"] for i in items) + sum(i["wanted"] for i in items))
"""
TASKS = ("local_pope", "local_exact", "local_choice")

OWN = """
import json, sys
import torch
from lmms_eval import evaluator
from lmms_eval.tasks import TaskManager
from loguru import logger
logger.remove()
folder, weights, names = sys.argv[1:4]
from lmms_eval.models import get_model
manager = TaskManager("ERROR", include_path=folder, include_defaults=False, model_name="llava_hf")
arguments = f"pretrained={weights},device_map=cpu,dtype=float32"
out = evaluator.simple_evaluate(model="llava_hf", model_args=arguments, tasks=names.split(","), batch_size=1,
                                task_manager=manager, log_samples=True, bootstrap_iters=0, device="cpu")
answers = {n: {s["doc_id"]: s["filtered_resps"] for s in rows} for n, rows in out["samples"].items()}
print("RESULT" + json.dumps({"results": out["results"], "answers": answers}, default=str))
"""


def write(folder: Path, pictures: int = 10) -> Path:
    """The folder with the YAML files and their records: six questions on each picture."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from harness.plugins.registry import Registry

    task = Registry().tasks["pope"].build(data="embedded")
    rows = []
    for sample in task.samples():
        if sample.group == "random" and len(rows) < 6 * pictures:
            request = next(task.episode(sample))
            words = next(p for p in request.messages[-1].content if isinstance(p, str)).split("\n")[0]
            image = {"bytes": request.pictures[0].encoded(), "path": None}
            rows.append({"image": image, "question": words, "answer": str(sample.target).lower()})
            rows[-1]["label"] = int(rows[-1]["answer"] == "no")
    kinds = {"image": pa.struct([("bytes", pa.binary()), ("path", pa.string())])}
    schema = pa.schema({**kinds, "question": pa.string(), "answer": pa.string(), "label": pa.int64()})
    said = {"info": {"features": {"image": {"_type": "Image"}, "question": {"dtype": "string", "_type": "Value"}}}}
    said["info"]["features"] |= {"answer": {"dtype": "string", "_type": "Value"}}
    said["info"]["features"] |= {"label": {"dtype": "int64", "_type": "Value"}}
    table = pa.Table.from_pylist(rows, schema).replace_schema_metadata({"huggingface": json.dumps(said)})
    pq.write_table(table, folder / "pope.parquet")
    (folder / "local.py").write_text(CODE)
    for name, text in zip((*TASKS, "local_group"), (POPE, PLAIN, CHOICE, GROUP), strict=True):
        (folder / f"{name}.yaml").write_text(text.replace("FOLDER", str(folder)))
    return folder


def own_run(folder: Path, names: list[str], stub: Path) -> dict:
    """lmms-eval's own run with its llava_hf, in a process of its own (it sets up torch for itself)."""
    import os

    from harness.embedded.tiny_llava import WEIGHTS

    (stub / "decord.py").write_text("class VideoReader: ...\n\n\ndef cpu(index=0):\n    return index\n")
    there = {**os.environ, "PYTHONPATH": str(stub), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", OWN, str(folder), str(WEIGHTS), ",".join(names)]
    done = subprocess.run(words, env=there, capture_output=True, text=True, timeout=500)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line, done.stderr[-2000:]
    return json.loads(line.removeprefix("RESULT"))

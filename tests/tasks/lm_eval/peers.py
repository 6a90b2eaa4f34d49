"""Small local tasks in lm-eval's YAML, and lm-eval's own run of them on the embedded model."""

import json
import random
from pathlib import Path

NOUNS = ["dog", "cat", "chair", "car", "cup", "bird", "horse", "bowl", "clock", "boat"]
COLOURS = ["red", "blue", "green", "black", "white"]

CHOICE = """
task: local_choice
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choice.jsonl, train: FOLDER/choice.jsonl}}
test_split: test
fewshot_split: train
num_fewshot: 1
output_type: multiple_choice
doc_to_text: "{{question}}\\nAnswer:"
doc_to_target: gold
doc_to_choice: "{{choices}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
  - {metric: mcc, aggregation: matthews_corrcoef, higher_is_better: true}
metadata: {version: 1.0}
"""
WORDS = """
task: local_words
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/words.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "USER: {{question}} ASSISTANT:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: [" is", "</s>"], max_gen_toks: 12, do_sample: false}
filter_list:
  - {name: plain, filter: [{function: take_first}]}
  - name: noun
    filter:
      - {function: regex, regex_pattern: "(dog|cat|chair|car|cup|bird|horse|bowl|clock|boat)"}
      - {function: take_first}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
  - {metric: bleu, aggregation: bleu, higher_is_better: true}
metadata: {version: 1.0}
"""
LAST = """
task: local_last
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/words.jsonl}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{question}}"
doc_to_target: " {{answer}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
metadata: {version: 1.0}
"""
TEXT = """
task: local_text
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/words.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}} {{answer}}"
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
metadata: {version: 1.0}
"""
GROUP = """
group: local_group
task: [local_choice, local_last]
aggregate_metric_list: [{metric: acc, aggregation: mean, weight_by_size: true}]
metadata: {version: 1.0}
"""
TASKS = ("local_choice", "local_words", "local_last", "local_text")


def write(folder: Path, documents: int = 40) -> Path:
    """The folder with the YAML files and their records."""
    rng = random.Random(0)
    choice, words = [], []
    for _ in range(documents):
        noun, colour = rng.choice(NOUNS), rng.choice(COLOURS)
        options = rng.sample(NOUNS, 4)
        question = f"Is there a {colour} {noun} near the {rng.choice(NOUNS)}?" + " Look again." * rng.randint(0, 3)
        choice.append({"question": question, "choices": [f"a {o}" for o in options], "gold": rng.randrange(4)})
        words.append({"question": f"What stands beside the {colour} {noun}?", "answer": f"a {rng.choice(NOUNS)}"})
    for name, rows in (("choice", choice), ("words", words)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    for name, text in zip((*TASKS, "local_group"), (CHOICE, WORDS, LAST, TEXT, GROUP), strict=True):
        (folder / f"{name}.yaml").write_text(text.replace("FOLDER", str(folder)))
    return folder


def own_run(folder: Path, names: list[str], **settings) -> dict:
    """lm-eval's `simple_evaluate` on the embedded model's text side."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    from harness.embedded.tiny_llava import WEIGHTS

    model = AutoModelForImageTextToText.from_pretrained(WEIGHTS).float().eval()
    model.generation_config.max_new_tokens = None  # it would win over lm-eval's max_length
    peer = HFLM(pretrained=model, tokenizer=AutoTokenizer.from_pretrained(WEIGHTS), backend="causal", batch_size=4)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return simple_evaluate(peer, tasks=names, task_manager=manager, bootstrap_iters=0, **settings)

"""What harness costs beside the bare loop, and where a run's time goes.

    python benchmarks/overhead.py [--pictures N] [--repeats N]

The bare loop is what one would write by hand for POPE: preprocess each picture once, encode its prefix once, answer its
questions from the cache. harness plays the same questions with all it does beside: reading records, planning, journal,
scoring, statistics, index. Both in this process, with the model loaded, one thread, alternating; CPU seconds, medians.
A run on a tenth of the pictures tells what a run costs anyhow (reading the configuration, the index) from what each
sample costs. The split names what a harness run spends, by wrapping its functions.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from larger import larger


def asked_of(pictures: int) -> list[tuple[Any, Any]]:
    """(sample, request) of a run on so many pictures."""
    from harness.engine.limit import by_cluster, subset
    from harness.plugins.registry import Registry

    task = Registry().tasks["pope"].build(data="embedded")
    return [(s, next(task.episode(s))) for s in by_cluster(subset(list(task.samples()), 18 * pictures, 0))]


def questions(pictures: int) -> list[tuple[Any, list[Any]]]:
    """(picture, requests about it), equal requests once, as harness asks them."""
    groups: dict[str, dict[str, Any]] = {}
    for _, request in asked_of(pictures):
        groups.setdefault(request.pictures[0].digest, {}).setdefault(request.key, request)
    return [(next(iter(g.values())).pictures[0], list(g.values())) for g in groups.values()]


def bare(model: Any, processor: Any, groups: list[tuple[Any, list[Any]]], rows: int, tokens: int) -> dict[str, str]:
    """Answers by key. Pictures are taken together until a batch has `rows` questions, as harness does."""
    from transformers import DynamicCache

    tokenizer, out = processor.tokenizer, {}
    eos, pad = model.generation_config.eos_token_id, model.generation_config.pad_token_id
    batch: list[tuple[Any, list[Any]]] = []

    def play() -> None:
        texts = [
            processor.apply_chat_template(
                [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": r.messages[0].content[1]}]}],
                add_generation_prompt=True,
                tokenize=False,
            )
            for _, asked in batch
            for r in asked
        ]
        head = texts[0].split("<image>")[0] + "<image>"
        pictures = [p.load() for p, _ in batch]
        first = processor(images=pictures, text=[head] * len(batch), return_tensors="pt", add_special_tokens=False)
        cache = DynamicCache(config=model.config.get_text_config())
        model(**first, past_key_values=cache, use_cache=True, logits_to_keep=1)
        of = torch.tensor([i for i, (_, asked) in enumerate(batch) for _ in asked])
        cache.batch_select_indices(of)
        tails = [tokenizer(t.removeprefix(head), add_special_tokens=False)["input_ids"] for t in texts]
        size, start = max(map(len, tails)), first["input_ids"].shape[1]
        ids = torch.tensor([[pad] * (size - len(t)) + t for t in tails])
        mask = torch.tensor([[1] * start + [0] * (size - len(t)) + [1] * len(t) for t in tails])
        position = (mask.cumsum(-1) - 1)[:, start:]
        text = model.model.language_model
        new: list[list[int]] = [[] for _ in tails]
        done = torch.zeros(len(tails), dtype=torch.bool)
        for _ in range(tokens):
            hidden = text(
                input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True
            ).last_hidden_state[:, -1:]
            token = model.lm_head(hidden)[:, -1].argmax(-1)
            done |= token == eos
            for row, value in enumerate(token.tolist()):
                if not done[row]:
                    new[row].append(value)
            if bool(done.all()):
                break
            ids = torch.where(done, pad, token)[:, None]
            mask = torch.cat([mask, torch.ones(len(tails), 1, dtype=mask.dtype)], 1)
            position = position[:, -1:] + 1
        said = iter(tokenizer.batch_decode(new, skip_special_tokens=True))
        for _, asked in batch:
            for request in asked:
                out[request.key] = next(said).strip(" ")

    with torch.no_grad():
        for group in groups:
            if batch and sum(len(a) for _, a in batch) + len(group[1]) > rows:
                play()
                batch.clear()
            batch.append(group)
        play()
    return out


class Split:
    """CPU seconds inside some functions; what they call of each other is counted once, for the inner one."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._open: list[list[float]] = []

    def wrap(self, stack: contextlib.ExitStack, owner: Any, name: str, label: str) -> None:
        inner = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began, frame = time.process_time(), [0.0]
            self._open.append(frame)
            try:
                return inner(*args, **kwargs)
            finally:
                whole = time.process_time() - began
                self._open.pop()
                self.spent[label] += whole - frame[0]
                if self._open:
                    self._open[-1][0] += whole

        stack.callback(setattr, owner, name, inner)
        setattr(owner, name, timed)


def harness(results: str, checkpoint: str, pictures: int, tokens: int, split: Split | None = None) -> float:
    """CPU seconds of one run. The model is loaded already."""
    from harness.cli import main
    from harness.engine import evaluate
    from harness.models.hf.model import HFModel
    from harness.models.hf.prompts import Prompts
    from harness.runs.journal import Journal
    from harness.steering import generation

    words = [
        "eval",
        "task=pope",
        "model=hf",
        f"model.path={checkpoint}",
        "task.data=embedded",
        "model.dtype=float32",
        "model.device=cpu",
    ]
    words += [f"decoding.max_new_tokens={tokens}", f"results={results}", f"limit={18 * pictures}", "logger=quiet"]
    began = time.process_time()
    with (
        contextlib.ExitStack() as stack,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        if split:
            split.wrap(stack, HFModel, "load", "load")
            split.wrap(stack, Prompts, "encode", "preprocess")
            split.wrap(stack, generation, "encode", "prefill of pictures")
            split.wrap(stack, generation, "forward", "questions and decode")
            split.wrap(stack, Journal, "append", "storage: journal")
            split.wrap(stack, evaluate, "_ingest", "storage: index")
            from harness.tasks.pope.task import Pope

            split.wrap(stack, Pope, "aggregate", "scoring: statistics")
        if main(words):
            raise SystemExit("harness eval failed")
    return time.process_time() - began


def agreeing(results: str, pictures: int, answers: dict[str, str]) -> tuple[int, int]:
    """(samples to which harness and the bare loop say the same, samples)."""
    import json

    (journal,) = Path(results).glob("runs/*/samples.jsonl")
    said = {r["id"]: r["answer"] for r in map(json.loads, journal.read_text().splitlines())}
    keys = {sample.id: request.key for sample, request in asked_of(pictures)}
    return sum(answers[keys[i]] == text for i, text in said.items()), len(said)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--larger", action="store_true", help="a random model ten times as large, two tokens an answer")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from harness.embedded.tiny_llava import WEIGHTS

    groups = questions(given.pictures)
    count = sum(len(g) for _, g in groups)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as scratch:
        checkpoint, tokens = (str(larger(Path(scratch, "larger"))), 2) if given.larger else (str(WEIGHTS), 8)
        model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).eval()
        processor = AutoProcessor.from_pretrained(checkpoint)
        harness(f"{scratch}/warm", checkpoint, 2, tokens)  # imports, and the model
        few, answers = max(2, given.pictures // 10), {}
        floor: dict[int, list[float]] = {few: [], given.pictures: []}
        ours: dict[int, list[float]] = {few: [], given.pictures: []}
        for turn in range(given.repeats):
            for pictures in floor:
                asked_about = groups if pictures == given.pictures else questions(pictures)
                began = time.process_time()
                answers = bare(model, processor, asked_about, 128, tokens)
                floor[pictures].append(time.process_time() - began)
                ours[pictures].append(harness(f"{scratch}/{pictures}/{turn}", checkpoint, pictures, tokens))
        same, asked = agreeing(f"{scratch}/{given.pictures}/0", given.pictures, answers)
        split = Split()
        total = harness(f"{scratch}/split", checkpoint, given.pictures, tokens, split)
    a, b = statistics.median(floor[given.pictures]), statistics.median(ours[given.pictures])
    more = 18 * (given.pictures - few)
    each_a, each_b = (1e3 * (w - statistics.median(s[few])) / more for w, s in ((a, floor), (b, ours)))
    print(f"{18 * given.pictures} samples, {count} distinct questions about {given.pictures} pictures, one thread")
    print(f"same answers: {same} of {asked}")
    print(f"bare loop {a:.2f} CPU s, harness {b:.2f} CPU s: {100 * (b / a - 1):+.1f} %")
    print(f"each further sample {each_a:.3f} and {each_b:.3f} CPU ms: {100 * (each_b / each_a - 1):+.1f} %")
    for label, seconds in split.spent.most_common():
        print(f"  {label:24} {seconds:6.2f} s {100 * seconds / total:5.1f} %")
    print(f"  {'everything else':24} {total - sum(split.spent.values()):6.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

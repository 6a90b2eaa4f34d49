"""What the text path gains: CPU seconds with and without packed layers, a cache with room, and shared beginnings.

    python benchmarks/text.py [--words 300] [--questions 6] [--documents 2] [--split]

Documents with planted numbers, several questions about each, answered by SmolLM2 (harness fetch smollm2) in turn, in
one process and on one thread. Answers are compared token for token; exit 1 where one differs. `--split` tells what the
time went to in each step, by torch's profiler, which takes time itself.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from contextlib import ExitStack
from typing import Any
from unittest import mock

STEPS = {
    "stock": {"linear": "stock", "roomy": False, "shared": False},
    "packed layers": {"linear": "auto", "roomy": False, "shared": False},
    "cache with room": {"linear": "auto", "roomy": True, "shared": False},
    "shared beginnings": {"linear": "auto", "roomy": True, "shared": True},
}
"""Each adds one thing to the one before."""

KINDS = {
    "linear layers": ("mm", "addmm", "linear", "_linear_pointwise", "_reorder_linear_weight", "matmul", "bmm"),
    "attention": ("scaled_dot_product", "_scaled_dot_product", "softmax", "_softmax"),
    "copies": ("cat", "copy_", "index", "index_select", "clone", "contiguous", "repeat", "gather", "_to_copy", "fill_"),
    "element by element": ("mul", "add", "pow", "mean", "rsqrt", "silu", "neg", "div", "sub", "cos", "sin", "add_"),
}
"""What beginnings of an operation's name belong to."""


def requests(documents: int, words: int, questions: int) -> list[Any]:
    from harness.core import Request, user
    from harness.tasks.niah.haystack import prose

    made = []
    for number in range(documents):
        rng = random.Random(number)
        lines, keys = prose(rng, words), []
        for q in range(questions):
            keys.append(f"{rng.choice(['red', 'blue', 'green'])}-{rng.choice(['dog', 'cat', 'owl', 'fox'])}{q}")
            fact = f"One of the special magic numbers for {keys[-1]} is: {rng.randint(10**6, 10**7 - 1)}."
            lines.insert(rng.randrange(len(lines)), fact)
        text = " ".join(lines)
        asked = "What is the special magic number for {} mentioned in the provided text?"
        made += [Request(user(f"{text}\n{asked.format(key)}"), 32) for key in keys]
    return made


def answers(
    asked: list[Any], linear: str, roomy: bool, shared: bool, split: bool
) -> tuple[list[str], float, dict[str, int], str]:
    """Texts, CPU seconds without loading, the decoder's work, and what the time went to."""
    import torch
    from transformers import DynamicCache

    from harness.core import Call, Decoding, Sample
    from harness.plugins.registry import Registry

    with ExitStack() as stack:
        if not shared:
            stack.enter_context(mock.patch("harness.steering.carried.carries", lambda _: False))
            stack.enter_context(mock.patch("harness.models.hf.families.WORTH", 10**12))
        if not roomy:
            plain = lambda view: DynamicCache(config=view.decoder.config)  # noqa: E731
            stack.enter_context(mock.patch("harness.steering.forward.roomy", plain))
        model = Registry().models["smollm2"].build(name="smollm2", linear=linear)
        model.load([])
        calls = [Call(request, Sample(str(i), "c", "g", None), i) for i, request in enumerate(asked)]
        texts: dict[str, str] = {}
        profile = stack.enter_context(torch.profiler.profile()) if split else None
        began = time.process_time()
        for batch in model.plan(calls, None):
            for call, reply in zip(batch, model.answer(batch, Decoding()), strict=True):
                texts[call.sample.id] = reply.text
        spent = time.process_time() - began
        stack.close()
        return [texts[c.sample.id] for c in calls], spent, model.work(), shares(profile) if profile else ""


def shares(profile: Any) -> str:
    """Of the time in torch's operations."""
    spent = dict.fromkeys((*KINDS, "other"), 0.0)
    for event in profile.key_averages():
        name = event.key.partition("::")[2] or event.key
        kind = next((k for k, names in KINDS.items() if name in names or name.startswith(names[0] + "_")), "other")
        kind = "attention" if "scaled_dot_product" in name else kind
        spent[kind] += event.self_cpu_time_total
    whole = sum(spent.values())
    return ", ".join(f"{kind} {100 * one / whole:.0f} %" for kind, one in spent.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("documents", 2), ("words", 300), ("questions", 6)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--split", action="store_true", help="what the time went to")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    asked = requests(given.documents, given.words, given.questions)
    wanted, first, same = None, 0.0, True
    for name, step in STEPS.items():
        texts, seconds, work, split = answers(asked, split=given.split, **step)
        wanted, first = wanted or texts, first or seconds
        equal = sum(a == b for a, b in zip(texts, wanted, strict=True))
        same = same and equal == len(texts)
        if split:
            print(f"{name:<18} {split}")
        print(
            f"{name:<18} {seconds:7.2f} CPU s, {first / seconds:4.1f} times stock, "
            f"{work['positions']} positions, {equal} of {len(texts)} answers as stock",
            flush=True,
        )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

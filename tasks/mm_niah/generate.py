"""Build the embedded records: python -m harness.tasks.mm_niah.generate [--check] [--out DIR].

Lengths are tokens of tiny-llava's tokenizer plus 64 for each picture.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from harness.embedded.scenes import EVALUATION
from harness.records.generate import generator
from harness.tasks.mm_niah.documents import POOL, SUBTASKS, make, named, pool_name, pool_scene

LENGTHS = (1200, 2400, 4800)
"""In the official columns 1k, 2k and 4k."""
DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
DRAWS = 2
COST = 64


def tokens() -> Callable[[str], int]:
    """Tokens of a text by tiny-llava's tokenizer."""
    from transformers import AutoTokenizer

    from harness.embedded.tiny_llava import WEIGHTS

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    known: dict[str, int] = {}

    def count(text: str) -> int:
        if text not in known:
            known[text] = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        return known[text]

    return count


def build(count: Callable[[str], int]) -> dict[str, pa.Table]:
    """The tables `records` and `images`."""
    pictures = {pool_name(i): pool_scene(i, EVALUATION).picture for i in range(POOL)}
    records: list[dict[str, Any]] = []
    for subtask in SUBTASKS:
        for number, (length, depth, draw) in enumerate(
            (n, d, k) for n in LENGTHS for d in DEPTHS for k in range(DRAWS)
        ):
            rng = random.Random(f"mm_niah {subtask} {length} {depth} {draw}")
            made, own = named(make(subtask, length, depth, rng, count, COST, EVALUATION), f"{subtask}-{number:02d}")
            pictures |= own
            placed = made.depths if len(made.depths) > 1 else made.depths[0]
            record = {
                "id": number,
                "images_list": made.images,
                "context": made.context,
                "question": made.question,
                "answer": made.answer,
                "meta": {
                    "placed_depth": placed,
                    "context_length": made.tokens,
                    "context_length_text": made.text_tokens,
                    "context_length_image": made.tokens - made.text_tokens,
                    "num_images": len(made.images),
                    "needles": made.needles,
                    "choices": made.choices,
                    "choices_image_path": made.choice_images,
                },
            }
            records.append(
                {"id": f"{subtask}-{number:02d}", "subtask": subtask, "record": json.dumps(record, ensure_ascii=False)}
            )
    used = {n for r in records for n in _names(json.loads(r["record"]))}
    images = [{"image": n, "bytes": _webp(p)} for n, p in pictures.items() if n in used]
    kinds = pa.schema([("image", pa.string()), ("bytes", pa.binary())])
    return {"records": pa.Table.from_pylist(records), "images": pa.Table.from_pylist(images, kinds)}


def _names(record: dict[str, Any]) -> list[str]:
    return record["images_list"] + (record["meta"]["choices_image_path"] or [])


def _webp(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=82, method=6)
    return file.getvalue()


def main(words: Sequence[str] | None = None) -> int:
    return generator("mm_niah", __doc__, Path(__file__).parent / "embedded", lambda: build(tokens()), words)


if __name__ == "__main__":
    sys.exit(main())

"""Small sets of samples as the tasks make them, and a file of rows for them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.answers import Given, Settings, given
from harness.core import Sample

SPLITS = ("random", "popular", "adversarial")


def pope(n: int = 24, splits: Iterable[str] = ("random",)) -> list[Sample]:
    """Six questions a picture; every second one asks for what is there, alike in all splits."""
    found = []
    for split in splits:
        for i in range(1, n + 1):
            image = f"COCO_val2014_{100 + i // 6:012d}.jpg"
            question = f"Is there a {f'thing{i % 6}' if i % 2 else f'{split}{i % 6}'} in the image?"
            data = {"question_id": str(i), "image": image, "question": question}
            found.append(Sample(f"{split}:{i}", f"coco:{image}", split, "yes" if i % 2 else "no", data))
    return found


def facts(sample: Sample) -> tuple[int, str, str, str]:
    """Question id, question, label and picture of a sample of POPE."""
    return int(sample.data["question_id"]), sample.data["question"], sample.target, sample.data["image"]


def jsonl(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


def read(path: Path, samples: list[Sample] | None = None, **settings: Any) -> Given:
    return given(path, pope() if samples is None else samples, SPLITS, Settings(**settings))

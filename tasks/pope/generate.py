"""Build the embedded records: python -m harness.tasks.pope.generate [--check] [--out DIR].

Scenes are annotated, polled by the official algorithm, and only the chosen ones are drawn. Equal versions of Pillow,
pyarrow and the emoji font give equal bytes.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.embedded.scenes import CALIBRATION, EVALUATION, Scene, scene
from harness.records.generate import versions
from harness.tasks.pope.boxes import BOXES
from harness.tasks.pope.polling import Annotated, choose, poll
from harness.tasks.pope.scoring import SPLITS
from harness.tasks.pope.sources import IMAGES, QUESTIONS

SIZE = 288
"""Side of a picture in pixels: three times the embedded model's input, large enough for people and real models."""
QUALITY = 80
"""WebP: its decoder is exact, so that the pixels are the same on every machine."""
SEED = 0


@dataclass(frozen=True)
class Recipe:
    """`candidates` scene seeds are annotated; `images` of those with three objects or more are drawn at random."""

    candidates: Sequence[int]
    images: int


RECIPES = {"embedded": Recipe(EVALUATION[:400], 200), "calibration": Recipe(CALIBRATION[:300], 150)}


def build(recipe: Recipe) -> tuple[pa.Table, pa.Table, pa.Table]:
    """(questions, images, boxes of their objects) as tables."""
    annotated = [Annotated(str(seed), scene(seed).objects) for seed in recipe.candidates]
    chosen = choose(annotated, SEED, recipe.images)
    objects = {image.image: set(image.objects) for image in chosen}
    rows: list[dict[str, Any]] = []
    for split in SPLITS:
        for q in poll(chosen, split, SEED):
            assert (q.object in objects[q.image]) == (q.label == "yes"), q
            rows.append(
                {
                    "split": split,
                    "question_id": q.question_id,
                    "image": q.image,
                    "text": q.text,
                    "label": q.label,
                    "object": q.object,
                }
            )
    pictures, places = [], []
    for image in chosen:
        drawn = scene(int(image.image), SIZE)
        assert drawn.objects == image.objects
        pictures.append(_picture(image.image, drawn))
        places += [{"image": image.image, "object": i.category, "box": i.box} for i in drawn.instances]
    questions = pa.schema(
        [
            ("split", pa.string()),
            ("question_id", pa.int32()),
            ("image", pa.string()),
            ("text", pa.string()),
            ("label", pa.string()),
            ("object", pa.string()),
        ]
    )
    images = pa.schema(
        [
            ("image", pa.string()),
            ("seed", pa.int32()),
            ("kind", pa.string()),
            ("objects", pa.list_(pa.string())),
            ("hidden", pa.bool_()),
            ("bytes", pa.binary()),
        ],
        metadata=versions(),
    )
    boxes = pa.schema([("image", pa.string()), ("object", pa.string()), ("box", pa.list_(pa.float64(), 4))])
    made = ((rows, questions), (pictures, images), (places, boxes))
    return tuple(pa.Table.from_pylist(found, schema) for found, schema in made)  # type: ignore[return-value]


def _picture(name: str, drawn: Scene) -> dict[str, Any]:
    file = io.BytesIO()
    drawn.picture.save(file, "WEBP", quality=QUALITY, method=6)
    return {
        "image": name,
        "seed": drawn.seed,
        "kind": drawn.kind,
        "objects": list(drawn.objects),
        "hidden": bool((drawn.owner == -2).any()),
        "bytes": file.getvalue(),
    }


def write(folder: Path, questions: pa.Table, images: pa.Table, boxes: pa.Table) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in ((QUESTIONS, questions), (IMAGES, images), (BOXES, boxes)):
        packed = "none" if name == IMAGES else "zstd"
        pq.write_table(table, folder / name, compression=packed, row_group_size=10_000, store_schema=True)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness.tasks.pope.generate", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="parent of embedded/ and calibration/")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the questions differ")
    given = parser.parse_args(words)
    code = 0
    for name, recipe in RECIPES.items():
        questions, images, boxes = build(recipe)
        folder = given.out / name
        if given.check:
            same = pq.read_table(folder / QUESTIONS).equals(questions)
            code |= not same
            print(f"{name}: questions {'equal' if same else 'differ'}")
            continue
        write(folder, questions, images, boxes)
        hidden = sum(images["hidden"].to_pylist())
        size = sum((folder / n).stat().st_size for n in (QUESTIONS, IMAGES)) / 1e6
        print(
            f"{name}: {len(images)} pictures, {len(questions)} questions, {size:.2f} MB; {hidden} pictures hold an "
            "object too hidden to be annotated"
        )
    return int(code)


if __name__ == "__main__":
    sys.exit(main())

"""Makes POPE's embedded records from held-out scenes: `python -m tasks.pope.generate [--out DIR]`.

The same seeds give the same bytes. Drawing needs the Noto Color Emoji font; running the task does not.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.scenes import CALIBRATION, EVALUATION, scene
from tasks.pope.polling import SPLITS, questions

SIDE = 224
"""Pixels of a picture's side; the embedded model's processor shrinks it to 96."""
IMAGES = {"embedded": 160, "calibration": 60}
SEEDS = {"embedded": EVALUATION, "calibration": CALIBRATION}
SEED = {"embedded": 1, "calibration": 2}


def build(data: str, out: Path) -> None:
    """Write `<data>_images.parquet` and `<data>_questions.parquet`."""
    scenes = {}
    for seed in SEEDS[data]:
        drawn = scene(seed, size=SIDE)
        if len(drawn.objects) >= 3:
            scenes[f"{data}_{seed}"] = drawn
        if len(scenes) == IMAGES[data]:
            break
    annotations = {image: list(s.objects) for image, s in scenes.items()}
    images = []
    for image, s in scenes.items():
        buffer = io.BytesIO()
        s.picture.save(buffer, "JPEG", quality=88)
        images.append({"image": image, "bytes": buffer.getvalue(), "scene": s.kind, "objects": annotations[image]})
    rows = [
        {
            "split": split,
            "question_id": q.id,
            "image": q.image,
            "question": q.text,
            "label": q.label,
            "object": q.object,
        }
        for split in SPLITS
        for q in questions(annotations, split, SEED[data])
    ]
    _write(images, out / f"{data}_images.parquet")
    _write(rows, out / f"{data}_questions.parquet")


def _write(rows: Sequence[dict], path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), path, compression="zstd", store_schema=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="make POPE's embedded records")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for data in IMAGES:
        build(data, out)
        print(*(f"{p.name}: {p.stat().st_size / 1e6:.2f} MB" for p in sorted(out.glob(f"{data}_*.parquet"))), sep="\n")


if __name__ == "__main__":
    main()

"""Build the embedded records: python -m harness.tasks.chair.generate [--check] [--out DIR].

They name the scenes of embedded POPE, whose pictures they share. Objects are those that a scene shows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from harness.embedded.scenes import scene
from harness.records.generate import generator
from harness.tasks.chair.settings import EMBEDDED
from harness.tasks.pope.generate import RECIPES, SEED
from harness.tasks.pope.polling import Annotated, choose


def build(variant: str) -> pa.Table:
    """image_id and objects of each scene."""
    recipe = RECIPES[variant]
    annotated = [Annotated(str(seed), scene(seed).objects) for seed in recipe.candidates]
    found = [{"image_id": a.image, "objects": list(a.objects)} for a in choose(annotated, SEED, recipe.images)]
    return pa.Table.from_pylist(found, pa.schema([("image_id", pa.string()), ("objects", pa.list_(pa.string()))]))


def main(words: Sequence[str] | None = None) -> int:
    return generator(
        "chair", __doc__, Path(__file__).parent, lambda: {f"{v}/records": build(v) for v in EMBEDDED}, words
    )


if __name__ == "__main__":
    sys.exit(main())

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.embedded.scenes import CALIBRATION, EVALUATION
from harness.tasks.pope import generate
from harness.tasks.pope.polling import Annotated
from tests.tasks.pope.test_pope_polling import check

SHIPPED = Path(generate.__file__).parent


@pytest.mark.parametrize("name", generate.RECIPES)
def test_shipped_questions_follow_the_construction(name):
    images = pq.read_table(SHIPPED / name / generate.IMAGES).to_pylist()
    questions = pq.read_table(SHIPPED / name / generate.QUESTIONS).to_pylist()
    objects = {row["image"]: row["objects"] for row in images}
    check([Annotated(row["image"], tuple(row["objects"])) for row in images])
    blocks = defaultdict(list)
    for row in questions:
        assert (row["object"] in objects[row["image"]]) == (row["label"] == "yes")
        blocks[row["split"], row["image"]].append((row["object"], row["label"]))
    assert all([label for _, label in block] == ["yes", "no"] * 3 for block in blocks.values())
    assert len(blocks) == 3 * len(images)


def test_seeds_are_held_out():
    for name, seeds in (("embedded", EVALUATION), ("calibration", CALIBRATION)):
        assert all(seed in seeds for seed in pq.read_table(SHIPPED / name / generate.IMAGES)["seed"].to_pylist())


def test_size():
    assert sum(p.stat().st_size for p in SHIPPED.rglob("*.parquet")) < 6e6


def test_rebuild_is_byte_equal(tmp_path):
    """The small set; `python -m harness.tasks.pope.generate --check` does both."""
    questions, images, boxes = generate.build(generate.RECIPES["calibration"])
    shipped = SHIPPED / "calibration"
    assert questions.equals(pq.read_table(shipped / generate.QUESTIONS))
    assert boxes.equals(pq.read_table(shipped / generate.BOXES))
    assert images.drop_columns("bytes").equals(pq.read_table(shipped / generate.IMAGES).drop_columns("bytes"))
    made_with = pq.read_schema(shipped / generate.IMAGES).metadata
    here = {k.encode(): v.encode() for k, v in generate.versions().items()}
    if {k: made_with[k] for k in here} != here:
        pytest.skip("questions and annotations are equal; bytes need the versions they were made with")
    generate.write(tmp_path, questions, images, boxes)
    for name in (generate.QUESTIONS, generate.IMAGES, generate.BOXES):
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes()

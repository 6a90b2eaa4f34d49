from __future__ import annotations

from collections import defaultdict

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core import HarnessError
from harness.scenes.sprites import FontMissingError, font_path
from tasks.pope import generate
from tasks.pope.polling import SPLITS, companions, eligible, frequencies, questions, text
from tasks.pope.records import HERE

annotations = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4),
    st.lists(st.sampled_from([f"o{i}" for i in range(20)]), min_size=3, max_size=6, unique=True),
    min_size=4,
    max_size=15,
)
VOCABULARY = [f"o{i}" for i in range(20)]


@settings(deadline=None)
@given(annotations, st.integers(0, 5))
def test_the_official_structure(objects, seed):
    asked = {s: list(questions(objects, s, seed, vocabulary=VOCABULARY)) for s in SPLITS}
    popular, near = frequencies(objects), companions(objects)
    for split, rows in asked.items():
        assert [q.label for q in rows] == ["yes", "no"] * (3 * len(objects))
        assert [q.id for q in rows] == list(range(1, len(rows) + 1))
        assert [q.image for q in rows] == [i for i in objects for _ in range(6)]
        blocks = defaultdict(list)
        for q in rows:
            assert (q.object in objects[q.image]) == (q.label == "yes")
            blocks[q.image].append(q)
        for image, block in blocks.items():
            assert len({q.object for q in block}) == 6
            assert [q.object for q in block[::2]] == objects[image][:3]
            for present, absent in zip(block[::2], block[1::2], strict=True):
                order = {"random": [], "popular": popular, "adversarial": near[present.object]}[split]
                before = {q.object for q in block[: block.index(absent)]}
                admissible = [o for o in order if o not in objects[image] and o not in before]
                assert not admissible or absent.object == admissible[0]
    positives = [[(q.image, q.text) for q in rows if q.label == "yes"] for rows in asked.values()]
    assert positives[0] == positives[1] == positives[2]


def test_by_hand():
    objects = {
        "a": ["dog", "cat", "cup"],
        "b": ["dog", "cat", "bed"],
        "c": ["dog", "car", "bed"],
        "d": ["pen", "hat", "mug"],
    }
    assert frequencies(objects) == ["dog", "cat", "bed", "cup", "car", "pen", "hat", "mug"]
    assert companions(objects)["dog"] == ["cat", "bed", "cup", "car"]
    asked = [q.object for q in questions(objects, "popular", 0) if q.image == "a"]
    assert asked == ["dog", "bed", "cat", "car", "cup", "pen"]
    asked = [q.object for q in questions(objects, "adversarial", 0) if q.image == "a"]
    assert asked[:3] == ["dog", "bed", "cat"] and asked[3] in {"car", "pen", "hat", "mug"}


def test_nothing_left_to_ask_is_an_error_not_a_loop():
    with pytest.raises(HarnessError, match="no object is left to ask about image a"):
        list(questions({"a": ["x", "y", "z"]}, "random", 0))


def test_images_with_few_objects_are_left_out():
    assert eligible({"a": ["x"], "b": ["x", "y", "z"]}) == ["b"]


def test_articles():
    assert text("apple") == "Is there an apple in the image?"
    assert text("dog") == "Is there a dog in the image?"


def test_the_shipped_records_obey_the_rules():
    for data in generate.IMAGES:
        images = pq.read_table(HERE / f"{data}_images.parquet").to_pylist()
        rows = pq.read_table(HERE / f"{data}_questions.parquet").to_pylist()
        objects = {r["image"]: r["objects"] for r in images}
        assert len(rows) == 18 * len(images) and len(images) == generate.IMAGES[data]
        for split in SPLITS:
            given = [(r["question_id"], r["image"], r["question"], r["label"]) for r in rows if r["split"] == split]
            wanted = [(q.id, q.image, q.text, q.label) for q in questions(objects, split, generate.SEED[data])]
            assert given == wanted


def test_the_generator_rebuilds_the_same_bytes(tmp_path):
    try:
        font_path()
    except FontMissingError as e:
        pytest.skip(str(e))
    generate.build("calibration", tmp_path)
    for name in ("calibration_images.parquet", "calibration_questions.parquet"):
        ours, theirs = pq.read_table(tmp_path / name), pq.read_table(HERE / name)
        assert ours.equals(theirs)
        assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes()

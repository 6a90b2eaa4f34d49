from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core import UsageError
from harness.tasks.pope.polling import Annotated, by_cooccurrence, by_frequency, choose, poll, question
from tests.tasks.pope.common import DATA

SPLITS = ("random", "popular", "adversarial")
COCO = [
    Annotated(row["image"], tuple(row["objects"]))
    for row in map(json.loads, (DATA / "tiny_coco_objects.jsonl").read_text().splitlines())
]
POPULAR = "3a1216469343ff40e97100e6e97394e3851b815b4461057637ba8dc26eb73172"
ADVERSARIAL = "e6ed74929887aedc8c576b9d007b55724310c488f077005ee05bcef44ca19c49"
FIT = [image for image in COCO if len(image.objects) >= 3]

WORDS = [f"{c}{i}" for c in "abcdefgh" for i in range(3)]
IMAGES = st.lists(st.lists(st.sampled_from(WORDS), min_size=3, max_size=6, unique=True), min_size=1, max_size=12).map(
    lambda rows: [Annotated(f"i{n}", tuple(row)) for n, row in enumerate(rows)]
)
SPREAD = [Annotated(f"s{n}", tuple(WORDS[n : n + 3])) for n in range(0, 24, 3)]
"""Added to drawn images so that the vocabulary never runs out."""


def digest(questions) -> str:
    rows = [[q.question_id, q.image, q.text, q.label] for q in questions]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def check(images: list[Annotated]) -> None:
    """Everything that must hold of POPE questions, computed anew from the annotations."""
    objects = {image.image: image.objects for image in images}
    seen = Counter(name for names in objects.values() for name in names)
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for names in objects.values():
        for name in names:
            together[name].update(set(names) - {name})
    positives = []
    for split in SPLITS:
        questions = poll(images, split, seed=3)
        assert [q.question_id for q in questions] == list(range(1, 6 * len(images) + 1))
        assert [q.label for q in questions] == ["yes", "no"] * (3 * len(images))
        assert [q.image for q in questions] == [image.image for image in images for _ in range(6)]
        assert len({(q.image, q.object) for q in questions}) == len(questions)
        positives.append([q for q in questions if q.label == "yes"])
        asked: dict[str, set[str]] = defaultdict(set)
        for yes, no in zip(questions[::2], questions[1::2], strict=True):
            assert yes.object in objects[yes.image] and no.object not in objects[no.image]
            asked[yes.image].add(yes.object)
            free = set(seen) - asked[yes.image] - set(objects[yes.image])
            assert no.object in free
            if split == "popular":
                assert seen[no.object] == max(seen[name] for name in free)
            if split == "adversarial":
                assert together[yes.object][no.object] == max(together[yes.object][name] for name in free)
            asked[yes.image].add(no.object)
    assert positives[0] == positives[1] == positives[2]
    assert [q.object for q in positives[0]] == [name for image in images for name in image.objects[:3]]


def test_coco_annotations():
    check(choose(COCO, seed=1, img_num=50))


@settings(deadline=None, max_examples=40)
@given(IMAGES)
def test_any_annotations(images):
    check(images + SPREAD)


def test_the_official_script_asks_the_same():
    """Digests of what utils.py of RUCAIBox/POPE made of the same rows. It fills gaps of the adversarial split by
    unseeded draws, so that images with a gap are left out there."""
    assert len(FIT) == 60
    assert digest(poll(FIT, "popular", 0)) == POPULAR
    partners = by_cooccurrence(FIT)
    questions = poll(FIT, "adversarial", 0)
    gaps = {n.image for y, n in zip(questions[::2], questions[1::2], strict=True) if n.object not in partners[y.object]}
    assert digest(q for q in questions if q.image not in gaps) == ADVERSARIAL


def test_the_seed_decides():
    assert poll(FIT, "random", 0) == poll(FIT, "random", 0) != poll(FIT, "random", 1)
    assert choose(COCO, 0, 20) == choose(COCO, 0, 20) != choose(COCO, 1, 20)
    assert all(len(image.objects) >= 3 for image in choose(COCO, 0, 60))


def test_ranks_break_ties_by_appearance():
    images = [Annotated("1", ("b", "a", "c")), Annotated("2", ("a", "d", "b"))]
    assert by_frequency(images) == ["b", "a", "c", "d"]
    assert by_cooccurrence(images)["b"] == ["a", "c", "d"]


def test_the_article():
    assert question("apple") == "Is there an apple in the image?"
    assert question("umbrella") == "Is there an umbrella in the image?"
    assert question("skis") == "Is there a skis in the image?"


@pytest.mark.parametrize("split", SPLITS)
def test_no_endless_loop(split):
    images = [Annotated("1", ("a", "b", "c")), Annotated("2", ("a", "b", "d"))]
    with pytest.raises(UsageError, match="no absent object left"):
        poll(images, split, 0)


def test_refusals():
    with pytest.raises(UsageError, match="60 images show 3 or more"):
        choose(COCO, 0, 61)
    with pytest.raises(UsageError, match="twice"):
        choose([Annotated("1", ("a", "a", "b"))], 0, 1)
    with pytest.raises(UsageError, match="unknown"):
        poll(FIT, "common", 0)
    with pytest.raises(UsageError, match="2 objects"):
        poll([Annotated("1", ("a", "b"))], "random", 0)

"""The card's own scores."""

import pytest

from harness.embedded.scenes import EVALUATION, scene
from harness.embedded.tiny_llava.scoring import (
    SPLITS,
    binary_scores,
    caption_scores,
    count_scores,
    mentions,
    point_scores,
    pope,
    says_yes,
)


@pytest.fixture(scope="module")
def scenes():
    return [scene(seed, min_objects=3) for seed in EVALUATION[:30]]


@pytest.mark.parametrize("split", SPLITS)
def test_pope_is_balanced_truthful_and_keeps_its_positives(scenes, split):
    asked = pope(scenes, split)
    assert len(asked) == 6 * len(scenes)
    assert [a.present for a in asked] == [True, False] * (3 * len(scenes))
    assert all((a.category in scenes[a.picture].objects) == a.present for a in asked)
    assert len({(a.picture, a.category) for a in asked}) == len(asked)
    assert [a for a in asked if a.present] == [a for a in pope(scenes, "random") if a.present]


@pytest.mark.parametrize(
    ("answer", "yes"),
    [("Yes", True), ("No", False), ("No.", False), ("Yes, no doubt", False), ("", True), ("NO", True)],
)
def test_verdict_is_the_official_one(answer, yes):
    assert says_yes(answer) == yes


def test_longest_names_are_matched_first():
    assert mentions("a hot dog, two dogs and a teddy bear.") == ["hot dog", "dog", "teddy bear"]
    assert mentions("a bedroom with a bed") == ["bed"]


def test_binary_and_caption_scores_by_hand(scenes):
    asked = pope(scenes, "random")
    assert binary_scores(asked, [True] * len(asked))["accuracy"] == 0.5
    assert binary_scores(asked, [a.present for a in asked])["f1"] == 1.0
    first = scenes[0]
    absent = next(a.category for a in asked if not a.present and a.picture == 0)
    score = caption_scores([first], [f"a {first.objects[0]} and a {absent}"])
    assert score["chair_i"] == 0.5
    assert score["chair_s"] == 1.0
    assert score["recall"] == round(1 / len(first.objects), 4)


def test_point_and_count_scores_by_hand():
    boxes = [(0.1, 0.1, 0.3, 0.3)] * 3
    assert point_scores(boxes, ["[0.20, 0.20]", "[0.90, 0.20]", "none"])["inside"] == round(1 / 3, 4)
    score = count_scores([1, 2, 3], ["1", "2", "1"])
    assert (score["accuracy"], score["always_one"], score["several"]) == (0.6667, 0.3333, 0.5)

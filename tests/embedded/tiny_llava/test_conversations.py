"""Training text tells the truth about the annotation."""

import re

import numpy as np
import pytest

from harness.embedded.scenes import BY_NAME, CATEGORIES
from harness.embedded.tiny_llava.conversations import NEGATIVES, SUFFIXES, caption, conversation
from harness.embedded.tiny_llava.scoring import mentions


def rows(*objects: str) -> np.ndarray:
    """A padded instance table with the named objects, largest first."""
    table = np.full((14, 6), -1, np.float32)
    for k, name in enumerate(objects):
        table[k] = (BY_NAME[name].index, 0.1 + 0.05 * k, 0.5, 0.2, 0.2, 900 - 50 * k)
    return table


SCENES = [
    rows("dog"),
    rows("dog", "dog", "person"),
    rows("surfboard", "person", "boat"),
    rows("skis", "apple", "apple", "apple", "hot dog", "cup"),
]


@pytest.mark.parametrize("table", SCENES)
@pytest.mark.parametrize("seed", range(8))
def test_answers_are_truthful(table, seed):
    found = table[table[:, 0] >= 0, 0].astype(int).tolist()
    for turn in conversation(table, 0, np.random.default_rng(seed)):
        if turn.task == "presence":
            assert turn.answer == ("Yes" if turn.about in found else "No")
            assert CATEGORIES[turn.about].name in turn.question
        elif turn.task == "count":
            assert turn.answer == str(found.count(turn.about))
        elif turn.task == "point":
            assert found.count(turn.about) == 1
            x, y = map(float, re.findall(r"\d\.\d\d", turn.answer))
            row = table[found.index(turn.about)]
            assert abs(x - row[1]) <= 0.01
            assert abs(y - row[2]) <= 0.01
        else:
            assert {BY_NAME[m].index for m in mentions(turn.answer)} <= set(found)


def test_presence_negatives_ignore_the_scene():
    asked = [
        t.about
        for seed in range(600)
        for t in conversation(SCENES[1], 0, np.random.default_rng(seed))
        if t.task == "presence" and t.answer == "No"
    ]
    counts = np.bincount(asked, minlength=len(CATEGORIES))
    wanted = np.delete(NEGATIVES, [BY_NAME["dog"].index, BY_NAME["person"].index])
    found = np.delete(counts, [BY_NAME["dog"].index, BY_NAME["person"].index])
    assert np.abs(found / found.sum() - wanted / wanted.sum()).max() < 0.015


def test_the_official_wordings_occur():
    turns = [t.question for seed in range(60) for t in conversation(SCENES[3], 0, np.random.default_rng(seed))]
    assert any(re.fullmatch(r"Is there an? [a-z ]+ in the image\?", q) for q in turns)
    for suffix in SUFFIXES:
        assert any(q.endswith(suffix) for q in turns)
    assert "Please describe this image in detail." in turns
    assert "Please help me describe the image in detail." in turns


def test_captions_count_instead_of_repeating():
    table = SCENES[1]
    assert caption(table[table[:, 0] >= 0], 1, True) == "The image shows a street with two dogs and a person."


def test_no_count_of_people_beside_a_surfer():
    for seed in range(100):
        turns = conversation(SCENES[2], 0, np.random.default_rng(seed))
        assert not any(t.task == "count" and t.about == BY_NAME["person"].index for t in turns)

"""Training text: who is asked for, and captions of several sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.embedded.scenes import BY_NAME, CATEGORIES, FREQUENCY, SCENE_TYPES
from harness.embedded.smol_llava.conversations import CLOSING, WHERE, caption, conversation, negatives, where
from harness.embedded.tiny_llava import cache
from harness.embedded.tiny_llava.scoring import mentions


@pytest.fixture(scope="module")
def scenes(drawn):
    return cache.load(drawn)


def test_captions_name_what_is_there_once(scenes):
    for rows, kind in zip(scenes.instances, scenes.kind, strict=True):
        rows = rows[rows[:, 0] >= 0]
        text = caption(rows, int(kind))
        present = list(dict.fromkeys(CATEGORIES[int(c)].name for c in rows[:, 0]))
        assert mentions(text) == present
        assert 2 <= text.count(". ") + 1 <= 4 and text.endswith(CLOSING)


def test_the_words_around_name_no_object():
    import harness.tasks.chair as chair

    around = " ".join([CLOSING, *(w for row in WHERE for w in row), "The image shows with and You can also see"])
    around += " Less prominent are " + " ".join(s.phrase for s in SCENE_TYPES)
    words = set(around.lower().replace(".", "").split())
    synonyms = (Path(chair.__file__).parent / "synonyms.txt").read_text()
    assert not words & {w.strip() for line in synonyms.splitlines() for w in line.split(",")}


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [(0.1, 0.1, "in the upper left"), (0.5, 0.5, "in the centre"), (1.0, 0.99, "in the lower right")],
)
def test_places(x, y, said):
    assert where(np.array([0, x, y, 0.1, 0.1, 50])) == said


def test_absent_objects_follow_the_scene_in_part():
    kitchen = next(i for i, s in enumerate(SCENE_TYPES) if s.name == "kitchen")
    share = negatives(kitchen)
    assert share.sum() == pytest.approx(1)
    bowl, zebra = BY_NAME["bowl"].index, BY_NAME["zebra"].index
    assert share[bowl] > 1.5 * FREQUENCY[bowl] and 0 < share[zebra] < share[bowl]


def test_a_conversation_is_balanced_and_true(scenes):
    rng = np.random.default_rng(0)
    for rows, kind in zip(scenes.instances, scenes.kind, strict=True):
        present = {int(c) for c in rows[:, 0] if c >= 0}
        asked = [t for t in conversation(rows, int(kind), rng) if t.task == "presence"]
        assert all((t.about in present) == (t.answer == "Yes") for t in asked)
        assert sum(t.answer == "No" for t in asked) == 4
        assert len({t.about for t in asked}) == len(asked) == 4 + min(4, len(present))

"""Embedded pictures: deterministic, truthfully annotated, independent of the output size."""

import itertools

import numpy as np
import pytest

from harness.embedded.scenes import (
    BY_NAME,
    CALIBRATION,
    CATEGORIES,
    EVALUATION,
    GRID,
    NAMES,
    SCENE_TYPES,
    SHOWS_ALSO,
    TRAINING,
    article,
    scene,
    sprites,
)


@pytest.fixture(scope="module")
def some():
    return [scene(seed) for seed in EVALUATION[:40]]


def test_vocabulary_has_the_names_and_words_of_coco():
    assert len(CATEGORIES) == len(set(NAMES)) == 67
    assert BY_NAME["person"].plural == "people"
    assert BY_NAME["knife"].plural == "knives"
    assert BY_NAME["bus"].plural == "buses"
    assert BY_NAME["orange"].phrase == "an orange"
    assert article("skis") == "a"  # as in the official questions


def test_scene_tables_name_known_objects_only():
    for kind in SCENE_TYPES:
        assert set(kind.objects) <= set(NAMES), kind.name


def test_seed_ranges_are_disjoint():
    ranges = sorted((r.start, r.stop) for r in (TRAINING, CALIBRATION, EVALUATION))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ranges))


def test_equal_seeds_give_equal_scenes(some):
    again = scene(EVALUATION[0])
    assert np.array_equal(again.pixels, some[0].pixels)
    assert again.instances == some[0].instances
    assert not np.array_equal(some[0].pixels, some[1].pixels)


@pytest.mark.parametrize("size", [192, 288, 336])
def test_annotation_does_not_depend_on_size(some, size):
    large = scene(EVALUATION[3], size)
    assert large.pixels.shape == (size, size, 3)
    assert large.instances == some[3].instances
    assert np.array_equal(large.owner, some[3].owner)


def test_boxes_lie_inside_and_fit_the_visible_pixels(some):
    for s in some:
        for k, i in enumerate(s.instances):
            x0, y0, x1, y1 = i.box
            assert 0 <= x0 < x1 <= 1
            assert 0 <= y0 < y1 <= 1
            ys, xs = np.nonzero(s.owner == k)
            assert i.pixels(GRID) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert i.visible == len(xs) >= 30


def test_counts_and_objects_agree(some):
    for s in some:
        assert sum(s.counts.values()) == len(s.instances) >= 1
        assert s.objects == tuple(dict.fromkeys(i.category for i in s.instances))


def test_an_annotated_object_changes_the_picture():
    """What is annotated can be seen: its pixels differ from the background around it."""
    s = scene(EVALUATION[5], 288)
    owner = s.owner.repeat(3, 0).repeat(3, 1)
    background = s.pixels[owner == -1].mean(0)
    for k in range(len(s.instances)):
        assert np.abs(s.pixels[owner == k].astype(float) - background).mean() > 8


def test_drawings_that_show_another_category_come_with_it(some):
    for s in some + [scene(seed) for seed in EVALUATION[100:160]]:
        for shown, implied in SHOWS_ALSO.items():
            assert shown not in s.counts or implied in s.counts


def test_min_objects_is_kept():
    assert all(len(scene(seed, min_objects=3).objects) >= 3 for seed in EVALUATION[:10])


def test_the_atlas_has_a_distinct_drawing_for_each_emoji():
    drawn = [s for row in sprites.sprites(False) for s in row]
    assert len({s.tobytes() for s in drawn}) == len(drawn) == len(sprites.DRAWINGS)
    assert all(100 < side == s.size[1] <= sprites.CELL for s in drawn for side in s.size)


def test_an_atlas_of_another_vocabulary_is_refused(monkeypatch):
    """Else every cell behind the change would be another drawing than its name says."""
    sprites._atlas.cache_clear()
    monkeypatch.setattr(sprites, "DRAWINGS", sprites.DRAWINGS[::-1])
    with pytest.raises(
        ValueError, match=r"other drawings than vocabulary.py: python -m harness.embedded.scenes.atlas FONT"
    ):
        sprites._atlas()

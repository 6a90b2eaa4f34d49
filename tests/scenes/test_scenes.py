"""Embedded pictures: deterministic, truthfully annotated, independent of the output size."""

import itertools

import numpy as np
import pytest

from harness.scenes import (
    BY_NAME,
    CALIBRATION,
    CATEGORIES,
    EVALUATION,
    GRID,
    NAMES,
    SCENE_TYPES,
    SHOWS_ALSO,
    TRAINING,
    FontMissingError,
    article,
    font_path,
    scene,
)

try:
    font_path()
    MISSING = ""
except FontMissingError as error:
    MISSING = str(error)
draws = pytest.mark.skipif(bool(MISSING), reason=MISSING or "font present")


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


@draws
def test_equal_seeds_give_equal_scenes(some):
    again = scene(EVALUATION[0])
    assert np.array_equal(again.pixels, some[0].pixels)
    assert again.instances == some[0].instances
    assert not np.array_equal(some[0].pixels, some[1].pixels)


@draws
@pytest.mark.parametrize("size", [192, 288, 336])
def test_annotation_does_not_depend_on_size(some, size):
    large = scene(EVALUATION[3], size)
    assert large.pixels.shape == (size, size, 3)
    assert large.instances == some[3].instances
    assert np.array_equal(large.owner, some[3].owner)


@draws
def test_boxes_lie_inside_and_fit_the_visible_pixels(some):
    for s in some:
        for k, i in enumerate(s.instances):
            x0, y0, x1, y1 = i.box
            assert 0 <= x0 < x1 <= 1
            assert 0 <= y0 < y1 <= 1
            ys, xs = np.nonzero(s.owner == k)
            assert i.pixels(GRID) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert i.visible == len(xs) >= 30


@draws
def test_counts_and_objects_agree(some):
    for s in some:
        assert sum(s.counts.values()) == len(s.instances) >= 1
        assert s.objects == tuple(dict.fromkeys(i.category for i in s.instances))


@draws
def test_an_annotated_object_changes_the_picture():
    """What is annotated can be seen: its pixels differ from the background around it."""
    s = scene(EVALUATION[5], 288)
    owner = s.owner.repeat(3, 0).repeat(3, 1)
    background = s.pixels[owner == -1].mean(0)
    for k in range(len(s.instances)):
        assert np.abs(s.pixels[owner == k].astype(float) - background).mean() > 8


@draws
def test_drawings_that_show_another_category_come_with_it(some):
    for s in some + [scene(seed) for seed in EVALUATION[100:160]]:
        for shown, implied in SHOWS_ALSO.items():
            assert shown not in s.counts or implied in s.counts


@draws
def test_min_objects_is_kept():
    assert all(len(scene(seed, min_objects=3).objects) >= 3 for seed in EVALUATION[:10])


def test_a_missing_font_is_one_clear_line(monkeypatch):
    from harness.scenes import sprites

    monkeypatch.setattr(sprites, "_FONTS", ())
    monkeypatch.delenv("HARNESS_EMOJI_FONT", raising=False)
    with pytest.raises(FontMissingError, match="apt-get install fonts-noto-color-emoji"):
        font_path()

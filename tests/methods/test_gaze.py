"""Gaze: scores of maps made by hand, and readings against attention computed by brute force."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from harness.checks.playing import play
from harness.checks.zoo import IMAGE, sample, view
from harness.cli import main
from harness.core import Mark
from harness.methods._shared.fixations import RADIUS, cells, fixations, scores
from harness.runs.stored import stored
from tests.methods.eager import attention
from tests.methods.made import made

WHOLE = (0.0, 0.0, 1.0, 1.0)


def test_a_flat_map_is_chance_and_a_map_of_the_object_is_perfect():
    inside = cells([(0.5, 0.0, 1.0, 0.5)], (4, 4), WHOLE)
    assert inside.sum() == 4 and inside[:2, 2:].all()
    assert scores(np.ones((4, 4)), inside)[1:] == (0.5, 0.0)
    pointing, auc, nss = scores(inside.astype(float), inside)
    assert (pointing, auc) == (1, 1) and nss == pytest.approx(0.75 / np.sqrt(0.25 * 0.75))
    assert scores(1.0 - inside, inside)[:2] == (0, 0)
    assert np.isnan(scores(np.ones((4, 4)), np.ones((4, 4), bool))[1])


def test_auc_is_the_share_of_pairs():
    rng = np.random.default_rng(0)
    map_, inside = rng.integers(0, 5, (6, 6)).astype(float), rng.random((6, 6)) < 0.3
    pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(map_[inside], map_[~inside])]
    assert scores(map_, inside)[1] == pytest.approx(np.mean(pairs))


def test_cells_of_a_crop_and_of_a_box_smaller_than_a_cell():
    assert cells([(0.0, 0.0, 0.5, 1.0)], (2, 2), (0.25, 0.0, 0.75, 1.0)).tolist() == [[True, False], [True, False]]
    assert np.argwhere(cells([(0.30, 0.55, 0.32, 0.57)], (4, 4), WHOLE)).tolist() == [[2, 1]]


def test_fixations_come_once_and_apart():
    map_ = np.random.default_rng(1).random((8, 8))
    found = fixations(map_)
    assert sorted(found) == sorted(itertools.product(range(8), repeat=2))
    near = lambda a, b: (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 <= RADIUS**2  # noqa: E731
    first = next(n for n in range(1, 64) if any(near(found[n], f) for f in found[:n]))
    assert first > 8 and all(any(near(at, f) for f in found[:first]) for at in found), "the discs cover the map"
    assert found[0] == np.unravel_index(map_.argmax(), map_.shape)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl"])
def test_against_eager_attention(family):
    one = sample(family, 0)
    box = (0.0, 0.0, 0.5, 0.5)
    one.marks = (Mark("dog", "target", box=box), Mark("click", "wrong", box=WHOLE))
    (got,) = play(view(family), [one], [made("gaze")])
    read = {name.partition(".")[2]: r.values for name, r in got.readings.items()}
    image = np.flatnonzero(one.tensors["input_ids"][0].numpy() == IMAGE)
    maps = attention(view(family), one, got.tokens)[:, :, 0, image].mean(1).reshape(-1, 4, 4)
    inside = cells([box], (4, 4), WHOLE)
    assert inside.sum() == 4 and read["boxes"] == 1
    for name, wanted in zip(("pointing", "auc", "nss"), np.array([scores(m, inside) for m in maps]).T, strict=True):
        np.testing.assert_allclose(read[f"{name}_layers"], wanted, atol=1e-3)
    deep = maps[2:].mean(0)
    assert read["auc"] == pytest.approx(scores(deep, inside)[1], abs=1e-3)
    order = fixations(deep)
    assert inside[order[int(read["found"]) - 1]] and not any(inside[at] for at in order[: int(read["found"]) - 1])


def test_without_a_box_there_is_nothing_to_find():
    (got,) = play(view("llava"), [sample("llava", 0)], [made("gaze")])
    assert {n: float(r.values) for n, r in got.readings.items()} == {"gaze.boxes": 0}


def test_a_run_gives_it_the_boxes_of_its_task(workdir):
    assert main(["eval", "task=pope", "method=gaze", "limit=6", "logger=quiet"]) == 0
    (run,) = stored(Path("results"))
    target = {r.id: r.target for r in run.results()}
    found = run.readings()
    assert {s: bool(one["gaze.boxes"].values) for s, one in found.items()} == {s: t == "yes" for s, t in target.items()}
    assert all(("gaze.auc" in one) == (target[s] == "yes") for s, one in found.items())

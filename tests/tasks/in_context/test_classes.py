"""The sequences of classes: what is bursty, fresh, flipped, and what the context does not tell."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from harness.tasks.in_context.classes import SETS, World, copied, make, nearest

WORLD = World()
N = 400


@pytest.fixture(scope="module")
def made():
    return {name: make(WORLD, name, N, np.random.default_rng(i)) for i, name in enumerate(SETS)}


def test_bursty_contexts_hold_each_class_as_often_and_the_one_that_is_asked(made):
    for classes, labels, asked in zip(made["ic2"].classes, made["ic2"].labels, made["ic2"].asked, strict=True):
        assert set(Counter(classes.tolist()).values()) == {WORLD.burst} and asked in classes
        assert len(set(labels.tolist())) == WORLD.items // WORLD.burst
    assert all(set(Counter(row).values()) == {WORLD.burst} for row in made["ic"].labels.tolist())


def test_fresh_classes_are_none_of_the_known_ones(made):
    assert (made["ic"].classes == -1).all() and (made["ic"].asked == -1).all()
    content = made["ic"].values[:, 0::2, 2 * WORLD.items + 1 :]
    like = np.einsum("nid,kd->nik", content, WORLD.means).max()
    known = np.einsum("nid,kd->nik", made["ic2"].values[:, 0::2, 2 * WORLD.items + 1 :], WORLD.means).max(-1).min()
    assert like < 0.85 and known > 0.4 and like < np.median(np.square(WORLD.means).sum(-1))


def test_flipped_labels_are_never_the_trained_ones(made):
    assert (made["ic2"].target == (made["ic2"].asked + 1) % WORLD.labels).all()
    assert (made["ic2"].target != made["ic2"].asked % WORLD.labels).all()
    assert (made["ic2"].labels == (made["ic2"].classes + 1) % WORLD.labels).all()


def test_in_weights_the_context_tells_nothing(made):
    iw = made["iw"]
    assert (iw.target == iw.asked % WORLD.labels).all()
    assert not (iw.labels == iw.target[:, None]).any() and not (iw.classes == iw.asked[:, None]).any()


def test_an_induction_head_by_hand(made):
    right = {name: float((nearest(WORLD, m.values) == m.target).mean()) for name, m in made.items()}
    assert right["ic"] > 0.99 and right["ic2"] > 0.99 and right["iw"] == 0
    assert copied(made["ic"]).mean() == WORLD.burst / WORLD.items


def test_training_mixes_fresh_bursty_and_independent_sequences():
    train = make(WORLD, "train", 4000, np.random.default_rng(9))
    fresh = (train.classes == -1).all(1)
    assert fresh.mean() == pytest.approx(WORLD.fresh, abs=0.03)
    inside = (train.classes == train.asked[:, None]).any(1)[~fresh]
    assert inside.mean() == pytest.approx(WORLD.bursty, abs=0.04)


def test_ranks_follow_the_exponent_also_with_labels_of_their_own():
    world = World(classes=64, zipf=1.0, bursty=1.0, fresh=0.0, burst=4)
    drawn = make(world, "train", 4000, np.random.default_rng(4)).asked
    shares = np.bincount(drawn, minlength=64) / 4000
    assert shares[:16].sum() > 0.6 and shares[0] > 2.5 * shares[8]
    alone = make(World(classes=64, zipf=1.0, bursty=0.0, fresh=0.0), "train", 4000, np.random.default_rng(5)).asked
    assert np.bincount(alone, minlength=64)[0] / 4000 == pytest.approx(world.weights[0], abs=0.03)


def test_items_and_labels_take_turns_behind_their_positions(made):
    values = made["train"].values
    places = 2 * WORLD.items + 1
    assert (values[:, :, :places] == np.eye(places, dtype=np.float32)).all()
    labels = values[:, 1::2, places:]
    assert np.allclose(labels, WORLD.label_vectors[made["train"].labels], atol=1e-6)
    assert np.allclose(WORLD.means, World(zipf=1.0, burst=1).means), "the same world in every process"

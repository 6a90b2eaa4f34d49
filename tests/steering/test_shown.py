"""Beginnings with pictures that are kept for further batches, or spread out in each pass, change nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.steering import Steering, View, shown
from harness.steering.roomy import roomy
from harness.steering.shown import Shown
from harness.steering.spread import SpreadLayer


class Looks(Steering):
    """Sees attention; gives back what it saw in the first layers."""

    batch = True

    def __init__(self, given: int):
        super().__init__()
        self.given = given

    def attention_weights(self, l, a, batch):
        assert a.shape[-1] == batch.columns
        return a if l < self.given else None


def questions(length: int):
    """Two about each of two pictures, all of one length."""
    return [sample("llava", i, length=length, picture=i // 2, before=3, shared=True) for i in range(4)]


@pytest.fixture
def ours():
    made = View(view("llava").model)
    made.shown = Shown()
    return made


@pytest.fixture
def layers(monkeypatch):
    """Layers that were spread out."""
    made = []
    begin = SpreadLayer.__init__
    monkeypatch.setattr(SpreadLayer, "__init__", lambda self, *a: (made.append(self), begin(self, *a))[1])
    return made


def test_pictures_are_read_once_for_questions_of_several_lengths(ours, layers):
    found, read = [], []
    for length in (4, 6, 5):
        before = ours.work.positions
        found += play(ours, questions(length))
        read.append(ours.work.positions - before)
    assert layers and read[1] < read[0] and read[2] < read[0]
    plain = [one for length in (4, 6, 5) for one in play(View(ours.model), questions(length))]
    same(found, plain, 5e-4)


def test_what_does_not_fit_is_let_go(ours, monkeypatch):
    monkeypatch.setattr(shown, "KEPT", 0)
    found = [play(ours, questions(4)), play(ours, questions(4))]
    assert not ours.shown._held
    for one in found:
        same(one, play(View(ours.model), questions(4)), 5e-4)


def test_other_pictures_under_the_same_key_would_be_told_apart_by_their_tokens(ours):
    """A beginning that has become shorter than the picture is encoded anew."""
    play(ours, questions(4))
    (key, *_) = ours.shown._held
    held = ours.shown._held[key]
    ours.shown._held[key] = type(held)(held.tokens[:2], [(k[:, :, :2], v[:, :, :2]) for k, v in held.layers])
    same(play(ours, questions(4)), play(View(ours.model), questions(4)), 5e-4)


def test_beginnings_are_held_once_also_where_methods_see_them(ours, layers):
    ours.shown = None
    wanted = play(View(ours.model), [replace(one, shared=None) for one in questions(4)])
    found = play(ours, questions(4))
    same(found, wanted, 5e-4)
    assert layers
    same(play(ours, questions(4), [Looks(0)]), found, 0)
    same(play(ours, questions(4), [Looks(1)]), found, 5e-4)


def test_a_cache_is_used_up_by_what_is_kept_of_it(ours):
    cache = roomy(ours)
    keys = torch.arange(24.0).view(2, 1, 6, 2)
    for layer in range(len(cache.layers)):
        cache.update(keys, -keys, layer)
    one, other = shown._taken(cache, [torch.arange(6), torch.arange(4)])
    assert torch.equal(one.layers[1][0], keys[:1]) and torch.equal(other.layers[0][1], -keys[1:, :, 2:])
    assert not any(layer.is_initialized for layer in cache.layers)

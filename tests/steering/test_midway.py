"""A pass that begins midway says what a whole one says, and refuses what it cannot stand for."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core.errors import BrokenPromise
from harness.steering.midway import following, kept
from tests.steering.probes import Steering


class Raised(Steering):
    name = "raised"

    def __init__(self, layer: int):
        self.layer = layer

    def layers(self, view):
        return (self.layer,)

    def residual(self, l, h, batch):
        return h + 1


@pytest.mark.parametrize("family", ["llama", "llava", "qwen2_vl", "qwen3_vl"])
@pytest.mark.parametrize("l", [0, 2])
def test_it_equals_a_whole_pass(family, l):
    v, two = view(family), [sample(family, 0), sample(family, 1, length=12)]
    with kept(v, l) as outputs:
        plain = play(v, two, steps=1)
    above = Raised(l + 1)
    whole, calls = play(v, two, [above], steps=1), []
    handles = [
        part.register_forward_hook(lambda *_, n=n: calls.append(n))
        for n, part in enumerate(map(v.attention, range(v.depth)))
    ]
    with following(v, l, outputs[0]):
        same(play(v, two, steps=1), plain, 0)
        same(play(v, two, [above], steps=1), whole, 0)
    for handle in handles:
        handle.remove()
    assert set(calls) == set(range(l + 1, v.depth)), "the layers before are not computed"
    same(play(v, two, steps=2), play(v, two, steps=2), 0)
    assert not any("forward" in vars(layer) for layer in v.layers), "the layers are themselves again"


def test_other_rows_are_refused():
    v = view("llama")
    with kept(v, 1) as outputs:
        play(v, [sample("llama", 0)], steps=1)
    with following(v, 1, outputs[0]), pytest.raises(BrokenPromise, match="were kept"):
        play(v, [sample("llama", 0), sample("llama", 1)], steps=1)
    with following(v, 1, outputs[0]), pytest.raises(BrokenPromise, match="were kept"):
        play(v, [sample("llama", 0)], steps=2)


def test_layers_that_return_tuples_are_followed_too():
    v, one = view("llama"), [sample("llama", 0)]
    plain = play(v, one, steps=1)
    with kept(v, 1) as outputs:
        play(v, one, steps=1)
    with following(v, 1, (outputs[0], None)), torch.no_grad():
        assert v.layers[0](outputs[0])[0] is outputs[0]
        assert v.layers[1](hidden_states=outputs[0]) == (outputs[0], None)
    same(play(v, one, steps=1), plain, 0)

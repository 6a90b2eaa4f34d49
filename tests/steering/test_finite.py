"""Logits that are NaN or infinite are an error of their sample, however it is decoded, and of no other sample."""

from __future__ import annotations

import math

import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.core import Decoding
from harness.core.errors import Unusable
from harness.steering import Steering
from harness.steering.finite import finite, lost
from harness.steering.generation import generate
from harness.steering.likelihood import Ask, likelihoods
from harness.steering.refill import Asked, refilled

WAYS = {
    "greedy": Decoding(),
    "sampled": Decoding(strategy="nucleus", temperature=1.0),
    "beam": Decoding(strategy="beam", num_beams=2),
}


class Spoils(Steering):
    """Spoils the states of one sample's row from some pass on."""

    name, batch, refills = "spoils", True, True

    def __init__(self, value: float, row: int = 0, after: int = 0):
        self.value, self.row, self.after = value, row, after

    def layers(self, view):
        return [0]

    def residual(self, l, h, batch):
        if batch.total - batch.length < self.after:
            return None
        h = h.clone()
        h[self.row] = self.value
        return h


def prompts(count: int = 2):
    return [sample("llama", i, length=5) for i in range(count)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_it_is_told_in_every_decoding(way, after, value):
    said = "the logits under method=spoils are NaN or infinite: look for a strength that is too large"
    with pytest.raises(Unusable, match=said):
        play(view("llama"), prompts(), [Spoils(value, after=after)], WAYS[way])


def test_it_is_told_without_methods_and_where_samples_make_room():
    v = view("llama")
    handle = v.model.model.norm.register_forward_hook(lambda _m, _a, out: out * math.nan)
    try:
        with pytest.raises(Unusable, match="the logits are NaN or infinite: is the checkpoint damaged"):
            generate(v, prompts(), (), Decoding(), 3, [0, 1])
        with pytest.raises(Unusable, match="is the checkpoint damaged"):
            list(refilled(v, [Asked(i, one, 3, 0) for i, one in enumerate(prompts())], (), Decoding(), 2, 1000))
        with pytest.raises(Unusable, match="is the checkpoint damaged"):
            likelihoods(v, [Ask(prompts(1)[0], [[5, 6], [7]])], ())
    finally:
        handle.remove()
    with pytest.raises(Unusable, match="method=spoils"):
        asked = [Asked(i, one, 6, 0) for i, one in enumerate(prompts())]
        list(refilled(v, asked, [Spoils(math.nan)], Decoding(), 2, 1000))
    with pytest.raises(Unusable, match="method=spoils"):
        likelihoods(v, [Ask(prompts(1)[0], [[5, 6], [7]])], [Spoils(math.nan)])


def test_what_comes_after_an_answers_end_does_not_count():
    """Rows that have ended are fed on until the longest answer has."""
    v, some = view("llama"), prompts()
    free = play(v, some, steps=6)
    v.model.generation_config.eos_token_id = [free[0].tokens[1]]
    try:
        made = play(type(v)(v.model), some, [Spoils(math.nan, after=2)], steps=6)
    finally:
        v.model.generation_config.eos_token_id = None
    assert made[0].finish == "stop" and made[1].tokens[:1] == free[1].tokens[:1]


def test_the_fix_that_is_named():
    assert "give model.dtype=bfloat16 or float32" in str(lost(torch.float16, ()))
    assert finite(torch.tensor([[0.0, -math.inf], [math.nan, 1.0], [math.inf, 0.0]])).tolist() == [True, False, False]

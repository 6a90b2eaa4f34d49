"""VCD: the tests of its specification."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import yaml

from harness.checks.playing import differ, play, same
from harness.checks.zoo import sample, view
from harness.core import Decoding, UsageError
from harness.methods.decoding.vcd import Vcd, alpha_bar, noised, plausible
from harness.plugins.registry import ROOT


def make(**changes) -> Vcd:
    defaults = yaml.safe_load((ROOT / "methods/decoding/vcd.yaml").read_text())["defaults"]
    return Vcd(**defaults | changes)


def test_schedule():
    bars = [alpha_bar(t) for t in range(0, 1000, 37)]
    assert all(a > b > 0 for a, b in itertools.pairwise(bars))
    assert alpha_bar(0) == pytest.approx(1 - ((0.5e-2 - 1e-5) / (1 + math.exp(6)) + 1e-5), abs=1e-9)
    assert 0 < alpha_bar(999) < 0.1
    product = 1.0
    for t in range(501):
        product *= 1 - (1e-5 + (0.5e-2 - 1e-5) / (1 + math.exp(6 - 12 * t / 999)))
    assert alpha_bar(500) == pytest.approx(product, rel=1e-9)


def test_noise_mixes_signal_and_gaussian():
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    keep = alpha_bar(999)
    noise = (noised(pixels, 999, 0) - math.sqrt(keep) * pixels) / math.sqrt(1 - keep)
    assert abs(float(noise.mean())) < 0.03 and abs(float(noise.std()) - 1) < 0.03
    assert (noised(pixels, 0, 0) - pixels).abs().max() < 0.05
    assert torch.equal(noised(pixels, 500, 0), noised(pixels.clone(), 500, 0))
    assert not torch.equal(noised(pixels, 500, 0), noised(pixels, 500, 1))
    other = noised(pixels + 1, 500, 0) - noised(pixels, 500, 0) - math.sqrt(alpha_bar(500))
    assert other.abs().max() > 0.1  # another picture, other noise


def test_cut():
    z = torch.tensor([[3.0, 2.0, 3.0 + math.log(0.1) + 0.01, 3.0 + math.log(0.1) - 0.01]])
    assert plausible(z, z, 0.1).isinf().tolist() == [[False, False, False, True]]
    assert torch.equal(plausible(z, z, 0.0), z)
    assert plausible(z, z, 1.0).isinf().tolist() == [[False, True, True, True]]


def test_alpha_zero_is_vanilla_with_a_cut():
    v, batch = view("llava"), [sample("llava", i, picture=i) for i in range(3)]
    vanilla = play(v, batch)
    same(play(v, batch, [make(alpha=0.0, beta=0.0)]), vanilla, 0)
    for cut, free in zip(play(v, batch, [make(alpha=0.0)]), vanilla, strict=True):
        assert cut.tokens == free.tokens
        assert cut.scores is not None and free.scores is not None
        keep = ~cut.scores.isinf()
        assert torch.equal(cut.scores[keep], free.scores[keep])
        limit = free.scores.amax(-1, keepdim=True) + math.log(0.1)
        assert torch.equal(keep, free.scores >= limit)


def test_equal_streams_give_the_clean_logits(monkeypatch):
    v, one = view("llava"), [sample("llava", 0)]
    monkeypatch.setattr("harness.methods.decoding.vcd.noised", lambda pixels, step, seed: pixels)
    same(play(v, one, [make(beta=0.0)]), play(v, one), 5e-4)


def test_contrast_is_the_formula():
    v, one = view("llava"), sample("llava", 0)
    noisy = one.change(pixel_values=noised(one.tensors["pixel_values"], 500, 0))
    with torch.no_grad():
        clean, other = (v.model(**x.tensors).logits[0, -1] for x in (one, noisy))
    got = play(v, [one], [make(alpha=0.7, beta=0.0)])[0].scores
    assert got is not None
    torch.testing.assert_close(got[0], 1.7 * clean - 0.7 * other, atol=1e-4, rtol=1e-4)
    differ(play(v, [one], [make()]), play(v, [one]))


def test_the_clean_favourite_survives_every_cut():
    v, batch = view("qwen2_vl"), [sample("qwen2_vl", i, picture=i) for i in range(3)]
    for beta in (0.5, 1.0):
        one = play(v, batch, [make(beta=beta)])
        for got, free in zip(one, play(v, batch), strict=True):
            assert got.scores is not None and free.scores is not None
            assert not got.scores[0, int(free.scores[0].argmax())].isinf()


def test_text_alone_is_left_alone():
    for name in ("llama", "llava"):
        v, one = view(name), [sample(name, 0, picture=None)]
        same(play(v, one, [make()]), play(v, one), 0)


def test_noise_step_zero_is_nearly_vanilla_sampling():
    v, batch = view("llava"), [sample("llava", i) for i in range(3)]
    one = play(v, batch, [make(noise_step=0, beta=0.0)])
    for got, free in zip(one, play(v, batch), strict=True):
        assert got.scores is not None and free.scores is not None
        assert (got.scores[0] - free.scores[0]).abs().max() < 0.5
    nucleus = Decoding("nucleus")
    assert len(play(v, batch, [make()], nucleus)) == 3


def test_unusable_numbers_are_refused():
    for changes, words in (({"noise_step": 1000}, "noise_step"), ({"beta": 1.5}, "beta")):
        with pytest.raises(UsageError, match=words):
            make(**changes)

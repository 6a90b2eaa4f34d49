"""VISTA: the tests of its specification."""

from __future__ import annotations

import pytest
import torch
import yaml

from harness.checks.playing import differ, play, same
from harness.checks.zoo import SEEING, sample, view
from harness.core import UsageError
from harness.methods.activations.vista import Vista, shift, steer
from harness.plugins.registry import ROOT
from harness.steering import Batch, View
from harness.steering.forward import peek


def make(**changes) -> Vista:
    defaults = yaml.safe_load((ROOT / "methods/activations/vista.yaml").read_text())["defaults"]
    return Vista(**defaults | changes)


@pytest.mark.parametrize("turn", [steer, shift])
def test_norms_are_kept_and_states_move(turn):
    x, v = torch.randn(2, 5, 8), torch.randn(2, 8)
    out = turn(x, v, 0.3)
    torch.testing.assert_close(out.norm(dim=-1), x.norm(dim=-1))
    towards = torch.nn.functional.cosine_similarity
    assert (towards(out, v[:, None], dim=-1) > towards(x, v[:, None], dim=-1)).all()
    torch.testing.assert_close(turn(x, v, 0.0), x)
    assert turn(x.bfloat16(), v, 0.3).dtype == torch.bfloat16


@pytest.mark.parametrize("turn", [steer, shift])
def test_zero_vector_changes_nothing(turn):
    x = torch.randn(2, 5, 8)
    assert torch.equal(turn(x, torch.zeros(2, 8), 0.3), x)
    half = turn(x, torch.cat([torch.zeros(1, 8), torch.ones(1, 8)]), 0.3)
    assert torch.equal(half[0], x[0]) and not torch.equal(half[1], x[1])


def test_steering_is_twice_as_strong_where_the_two_point_apart():
    v = torch.tensor([[0.0, 2.0]])
    x = torch.tensor([[[3.0, 0.0], [0.0, -1.0]]])
    out = steer(x, v, 0.1)
    torch.testing.assert_close(out[0, 0], 3 * torch.tensor([1.0, 0.1]) / 1.01**0.5)
    torch.testing.assert_close(out[0, 1], torch.tensor([0.0, -1.0]))  # -1 + 2 * 0.1, scaled back
    assert float(steer(x, v, 0.6)[0, 1, 1]) == pytest.approx(1.0)  # -1 + 2 * 0.6 points the other way


@pytest.mark.parametrize("name", SEEING)
def test_vector_is_positive_minus_negative(name):
    v = view(name)
    one = sample(name, 0)
    bare = v.without_image(one)
    method = make()
    run = Batch(v, [method], [one], peek=peek)
    with torch.no_grad():
        method.prepare(run)
        positive, negative = run.peek([one]), run.peek([bare])
    assert positive.shape == (1, 4, 32)
    torch.testing.assert_close(method.vector, positive - negative)
    assert (positive - negative).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_states_are_those_of_the_decoder_layers(name):
    v, one = view(name), sample(name, 0)
    with torch.no_grad():
        states = Batch(v, [], [one], peek=peek).peek([one])
        hidden = v.model(**one.tensors, output_hidden_states=True).hidden_states
    for l in range(3):
        torch.testing.assert_close(states[:, l], hidden[l + 1][:, -1], atol=1e-4, rtol=1e-4)


def test_gamma_one_is_the_mean_of_the_lens():
    v, one = view("llava"), sample("llava", 0)
    with torch.no_grad():
        hidden = v.model(**one.tensors, output_hidden_states=True).hidden_states
        lens = torch.stack([v.model.lm_head(hidden[l + 1][:, -1]) for l in (1, 2)]).mean(0)
    got = play(v, [one], [make(lam=0.0, gamma=1.0, window=16)])[0].scores
    assert got is not None
    torch.testing.assert_close(got[0], lens[0], atol=1e-4, rtol=1e-4)


def test_window_scales_with_depth():
    class Deep(View):
        def __init__(self, depth: int):
            self._depth = depth

        @property
        def depth(self) -> int:
            return self._depth

    assert list(make().reads(Deep(32))) == [25, 26, 27, 28, 29, 30]
    assert list(make().reads(Deep(40))) == list(range(31, 39))
    assert [list(make().reads(Deep(n))) for n in (1, 2, 4)] == [[0], [0], [2]]
    assert list(make(gamma=0.0).reads(Deep(32))) == []


@pytest.mark.parametrize("changes", [{"gamma": 0.0}, {"lam": 0.0}, {"form": "paper", "gamma": 0.0}, {"norm": True}])
def test_each_part_changes_logits(changes):
    v, batch = view("llava"), [sample("llava", i) for i in range(2)]
    differ(play(v, batch, [make(**changes)]), play(v, batch))


def test_text_alone_is_left_alone():
    for name in ("llama", "llava"):
        v, one = view(name), [sample(name, 0, picture=None)]
        same(play(v, one, [make()]), play(v, one), 0)


def test_unusable_numbers_are_refused():
    for changes, words in (({"form": "both"}, "form=both"), ({"gamma": 2.0}, "gamma"), ({"window": 0}, "window")):
        with pytest.raises(UsageError, match=words):
            make(**changes)

"""FlowCut: the tests of its specification."""

from __future__ import annotations

import math

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods.pruning.flowcut import remaining, scores
from harness.steering.vision import Layer, Tower
from tests.methods.made import made


def test_schedule():
    uniform = math.log(576)
    assert remaining(576, 192, 20, uniform) == 576
    assert remaining(576, 192, 16, 0.0) == 576 - round((576 - 192) / 4)
    assert remaining(300, 192, 0, uniform) == 192
    assert remaining(193, 192, 2, 0.0) == 192


def test_scores_by_hand():
    attention = torch.tensor([[[[0.2, 0.6, 0.2], [0, 0, 0], [0, 0, 0]]]])
    values = torch.tensor([[[[1.0, 0.0], [2.0, 0.0], [0.0, -3.0]]]])
    s, entropy = scores(Layer(0, attention, values))
    relation = torch.tensor([0.75, 0.25])
    semantic = torch.tensor([1.0, 2.0, 0.0]).softmax(0)[1:]
    semantic = semantic / semantic.sum()
    torch.testing.assert_close(s[0], (relation + semantic) * torch.tensor([2.0, 3.0]))
    assert entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


def test_heads_vote_after_the_softmax():
    """As released: each head's softmax over all tokens, then the mean over heads."""
    attention = torch.full((1, 2, 3, 3), 1 / 3)
    values = torch.tensor([[[[1.0], [3.0], [0.0]], [[1.0], [0.0], [1.0]]]])
    s, _ = scores(Layer(0, attention, values))
    semantic = (torch.tensor([1.0, 3.0, 0.0]).softmax(0) + torch.tensor([1.0, 0.0, 1.0]).softmax(0))[1:] / 2
    torch.testing.assert_close(s[0], (0.5 + semantic / semantic.sum()) * torch.tensor([1.5, 0.5]))


def test_prompt_and_picture_shrink_alike():
    v, one = view("llava"), sample("llava", 0, shared=True)
    method = made("flowcut", keep=5, of=16)
    short = method.rewrite(one, v)
    assert int((short.tensors["input_ids"] == v.image_token_id).sum()) == 5
    assert short.shared[1] == one.shared[1] - 11 and short.question[0] == one.question[0] - 11
    with torch.no_grad():
        assert method.picture(one.tensors["pixel_values"], v).shape == (1, 1 + 5, 16)


def test_pruning_after_the_last_layer_read_is_a_choice_of_features():
    """The zoo's connector reads one layer, so pruning keeps five of its states, in spatial order."""
    v, one = view("llava"), sample("llava", 0)
    pixels = one.tensors["pixel_values"]
    with torch.no_grad():
        kept = made("flowcut", keep=5, of=16).picture(pixels, v)[0]
        walk = Tower(v, "test").walk(pixels)
        s, _ = scores(next(walk))
        with pytest.raises(StopIteration) as end:
            walk.send(None)
        every = end.value.value[0]
    order = s[0].topk(5).indices.sort().values
    torch.testing.assert_close(kept, every[[0, *(order + 1).tolist()]])


def test_pruned_tokens_are_as_if_masked_in_later_layers():
    v, one = view("llava"), sample("llava", 0)
    tower, pixels = Tower(v, "test"), one.tensors["pixel_values"]
    keep = torch.tensor([[0, 2, 5, 9]])
    with torch.no_grad():
        walk = tower.walk(pixels, 2)
        next(walk)
        walk.send(keep)
        with pytest.raises(StopIteration) as end:
            walk.send(None)
        pruned = end.value.value
        states = tower.module(pixels, output_hidden_states=True).hidden_states[1]
        mask = torch.full((1, 1, 17, 17), torch.finfo(states.dtype).min)
        mask[..., keep[0]] = 0
        full = tower.inner.encoder.layers[1](states, mask)
    torch.testing.assert_close(pruned, full[:, keep[0]], atol=1e-5, rtol=1e-5)


def test_all_tokens_is_vanilla_and_others_are_refused():
    v, inputs = view("llava"), [sample("llava", i) for i in range(2)]
    same(play(v, inputs, [made("flowcut", keep=16, of=16)]), play(v, inputs), 0)
    with pytest.raises(UsageError, match="method=paint cannot run beside method=flowcut"):
        play(v, inputs, [made("flowcut"), made("paint")])
    with pytest.raises(UsageError, match=r"method\.flowcut\.keep=0"):
        made("flowcut", keep=0)

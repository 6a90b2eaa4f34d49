"""The last layer for the last position alone: the same answers and the same cache, unless somebody watches."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from harness.checks.playing import hooks, play, same
from harness.checks.zoo import DEVICE, FAMILIES, sample
from harness.checks.zoo import view as viewed
from harness.steering import View, last_row
from harness.steering.batch import Batch
from harness.steering.forward import forward, read
from harness.steering.last_row import agrees, alone
from harness.steering.roomy import roomy
from tests.steering.probes import Scale

if DEVICE != "cpu":
    pytest.skip("the last layer is asked for its last row on CPUs alone", allow_module_level=True)


@pytest.fixture
def view():
    made: Any = copy.deepcopy(viewed("llama").model)
    return View(made)


def rows(name="llama", **more):
    """Prompts of several lengths, so that some are padded."""
    return [sample(name, q, length=n, **more) for q, n in enumerate((3, 6, 9))]


def computed(view):
    """How many rows the last layer's MLP reads in each pass."""
    part, counts = view.feed_forward(view.depth - 1), []
    stock = part.forward  # a hook would count as somebody who watches
    part.forward = lambda x: counts.append(x.shape[1]) or stock(x)
    return counts


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_answers_are_the_same(name, shared, monkeypatch):
    view = viewed(name)
    wanted = play(view, rows(name, shared=shared))
    assert agrees(view)
    before = hooks(view), view.implementation
    monkeypatch.setattr(view, "ends_alone", True)
    same(play(view, rows(name, shared=shared)), wanted)
    assert (hooks(view), view.implementation) == before


def test_the_cache_is_the_same_and_one_row_is_computed(view):
    caches, counts = [], computed(view)
    for ends in (False, True):
        view.ends_alone = ends
        caches.append(roomy(view))
        forward(Batch(view, (), rows()), 1, cache=caches[-1])
    for one, other in zip(caches[0].layers, caches[1].layers, strict=True):
        assert torch.equal(one.keys, other.keys) and torch.equal(one.values, other.values)
    assert counts == [caches[0].get_seq_length(), 1]


@pytest.mark.parametrize("point", ["mlp", "residual", "heads", "attention_logits", "layer_input", "logits"])
def test_methods_that_see_the_last_layer_get_all(view, point):
    wanted = play(view, rows(), (Scale(point, 0.5),))
    counts, view.ends_alone = computed(view), True
    same(play(view, rows(), (Scale(point, 0.5),)), wanted)
    assert (counts[0] == 1) is (point == "logits")


def test_whoever_asks_for_more_positions_gets_all(view):
    counts = computed(view)
    view.ends_alone = True
    read(Batch(view, (), rows()), 3)
    assert all(n > 1 for n in counts)


@pytest.mark.parametrize("place", ["layer", "norm", "decoder"])
def test_who_watches_gets_all(view, place):
    part = {"layer": view.layers[-1], "norm": view.norm, "decoder": view.decoder}[place]
    counts, seen = computed(view), []
    part.register_forward_hook(lambda _module, _args, out: seen.append(out))
    view.ends_alone = True
    forward(Batch(view, (), rows()), 1)
    assert seen and counts[0] > 1


def test_hooks_that_transformers_leaves_behind_watch_nobody(view):
    view.model(input_ids=torch.arange(1, 6)[None], output_hidden_states=True, output_attentions=False)
    assert view.layers[-1]._forward_hooks
    counts, view.ends_alone = computed(view), True
    forward(Batch(view, (), rows()), 1)
    assert counts == [1]


def test_the_model_is_as_before_after_an_exception(view):
    before = hooks(view), view.attention(view.depth - 1).config
    with pytest.raises(ZeroDivisionError), alone(view):
        raise ZeroDivisionError
    assert (hooks(view), view.attention(view.depth - 1).config) == before


def test_a_layer_whose_rows_depend_on_each_other_is_left_as_it_is(view):
    part = view.feed_forward(view.depth - 1)
    stock = part.forward
    part.forward = lambda x: stock(x).cumsum(1)
    assert not agrees(view)


def test_other_models_are_left_as_they_are(view, monkeypatch):
    assert agrees(view)
    with monkeypatch.context() as patch:
        patch.setattr(View, "feed_forward", lambda *_: torch.nn.Module().nothing)
        assert not agrees(view)
    view.model.set_attn_implementation("eager")
    assert not agrees(view)
    view.model.set_attn_implementation("sdpa")
    assert not agrees(View(view.model.bfloat16()))


def test_attention_of_the_last_row_is_torchs():
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, n, 5, 8, generator=draw) for n in (4, 2, 2))
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool).tril()
    mask[0, :, :, 0] = False
    mask[0, :, 0, 0] = True
    module = torch.nn.Module()
    module.num_key_value_groups = 2  # pyright: ignore
    for given in (None, mask):
        out, _ = last_row.attend(module, query, key, value, given)
        wanted = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=given, is_causal=given is None, enable_gqa=True
        )
        assert out.shape == (2, 5, 4, 8)
        assert torch.allclose(out[:, -1], wanted[:, :, -1], atol=1e-6)

"""Each thing that the steering layer relies on, broken on purpose: the run ends with one line that names it."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from transformers import AttentionInterface, AttentionMaskInterface, LogitsProcessorList
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from harness.checks.playing import hooks as hanging
from harness.checks.playing import play, same
from harness.checks.zoo import encode, sample, view
from harness.cli import main
from harness.core import Decoding
from harness.core.errors import BrokenPromise
from harness.steering import Batch, View, compat, hooks
from harness.steering.attention import steered_attention
from harness.steering.token_choice import Select
from harness.steering.view import STEERED
from harness.steering.vision import Tower
from tests.methods.made import made
from tests.steering.probes import Scale

PAI = {"alpha": 0.5, "gamma": 1.0}
ONE = sample("llava", 1)


@pytest.fixture
def own():
    """A copy of the small LLaVA that a test may break."""
    found = View(copy.deepcopy(view("llava").model))
    found.encode = functools.partial(encode, "llava")
    return found


def fails(found, method, *words, inputs=None):
    """Playing ends with one line that holds these words and the versions."""
    play(found, [sample("llava", 1)])  # transformers hangs hooks of its own on first use
    before = hanging(found)
    with pytest.raises(BrokenPromise) as error:
        play(found, inputs or [ONE], [method])
    said = str(error.value)
    assert "\n" not in said and all(w in said for w in words)
    assert compat.installed() in said and compat.OLDEST in said and compat.NEWEST in said
    assert hanging(found) == before
    assert found.implementation == "sdpa"


def test_cache_under_another_name(own, monkeypatch):
    """What transformers 5.24 did."""
    monkeypatch.setattr(compat, "CACHE_NAMES", ("elsewhere",))
    fails(own, made("pai", **PAI), f"in pass 2 the decoder holds 1 tokens where {ONE.length + 1} have")


def test_cache_that_does_not_grow(own, monkeypatch):
    class Stale:
        def __init__(self):
            self.length = None

        def get_seq_length(self):
            return 0

    monkeypatch.setattr(hooks, "cache_in", lambda _: Stale())
    fails(own, Scale("mlp", 0.1), "in pass 2 the decoder holds 1 tokens")


def test_own_decoding_is_counted_too(own, monkeypatch):
    monkeypatch.setattr(hooks, "cache_in", lambda _: None)
    fails(own, made("opera"), "the decoder holds 1 tokens")


def _layer(forward_mlp):
    def forward(self, hidden_states, **kwargs):
        attended, _ = self.self_attn(hidden_states=self.input_layernorm(hidden_states), **kwargs)
        hidden_states = hidden_states + attended
        return hidden_states + forward_mlp(self.mlp, self.post_attention_layernorm(hidden_states))

    return forward


def test_module_that_is_not_called(own, monkeypatch):
    monkeypatch.setattr(type(own.layers[0]), "forward", _layer(lambda mlp, x: mlp.forward(x)))
    fails(own, Scale("mlp", 0.1), "mlp of layer 0 was called 0 times in 5 passes")


def test_module_that_gets_other_states(own, monkeypatch):
    flat = lambda mlp, x: mlp(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # noqa: E731
    monkeypatch.setattr(type(own.layers[0]), "forward", _layer(flat))
    fails(own, Scale("mlp", 0.1), "mlp of layer 0 got states of shape")


def test_decoder_that_is_not_called(own, monkeypatch):
    monkeypatch.setattr(own.decoder, "register_forward_pre_hook", lambda *_, **__: _Handle())
    fails(own, Scale("mlp", 0.1), "in a pass of 0 x 0 tokens")
    fails(own, Scale("logits", 0.1), "the hook on the decoder never fired")


class Picture(Scale):
    """Has a point on the vision tower, and changes nothing there."""

    def __init__(self):
        super().__init__("picture", 0.0)


class _Handle:
    def remove(self):
        return


def test_attention_function_that_is_not_called(own):
    AttentionInterface.register(STEERED, sdpa_attention_forward)
    try:
        fails(own, made("pai", **PAI), "attention of layer 0 was called 0 times in 5 passes")
    finally:
        AttentionInterface.register(STEERED, steered_attention)


def test_padded_batch_without_a_mask(own):
    AttentionMaskInterface.register(STEERED, lambda *_, **__: None)
    two = [sample("llava", 1), sample("llava", 2, length=9)]
    try:
        fails(own, made("pai", **PAI), "attention of layer 0 got no mask for a padded batch", inputs=two)
    finally:
        AttentionMaskInterface.register(STEERED, sdpa_mask)


def test_attention_that_cannot_be_exchanged(own, monkeypatch):
    monkeypatch.setattr(own.decoder, "set_attn_implementation", lambda _: None)
    fails(own, made("pai", **PAI), "attention could not be exchanged")


def test_keys_that_are_not_the_sequence(own, monkeypatch):
    def short(module, query, key, value, *args, **kwargs):
        return steered_attention(module, query, key[:, :, 1:], value[:, :, 1:], *args, **kwargs)

    AttentionInterface.register(STEERED, short)
    try:
        fails(own, made("pai", **PAI), f"attention of layer 0 got {ONE.length - 1} keys for {ONE.length} tokens")
    finally:
        AttentionInterface.register(STEERED, steered_attention)


def test_logits_processor_that_is_not_called(own, monkeypatch):
    monkeypatch.setattr(type(own.model), "_get_logits_processor", lambda *_, **__: LogitsProcessorList())
    fails(own, Scale("logits", 0.1), "tokens were chosen 0 times in 5 passes")


def test_rows_of_logits_that_are_missing(own):
    run = Batch(own, [], [sample("llava", 1), sample("llava", 2)])
    with pytest.raises(BrokenPromise, match="1 rows of logits came for 2 rows"):
        Select(run, Decoding(), [0, 0], keep=False)(torch.zeros(1, 3), torch.zeros(1, 256))


def test_vision_tower_that_is_not_called(own, monkeypatch):
    tower = own.model.base_model.vision_tower
    monkeypatch.setattr(tower, "register_forward_hook", lambda *_, **__: _Handle())
    fails(own, Picture(), "the hook on the vision tower never fired")


def test_vision_tower_that_computes_something_else(own, monkeypatch):
    layer = type(own.model.base_model.vision_tower.encoder.layers[0])
    stock = layer.forward
    monkeypatch.setattr(layer, "forward", lambda *args, **kwargs: stock(*args, **kwargs) * 1.5)
    tower = Tower(own, "paint")
    with pytest.raises(BrokenPromise, match="the vision tower computes something other"):
        tower.attentions(sample("llava", 1).tensors["pixel_values"], (0,))


def test_positions_behind_pictures():
    model = copy.deepcopy(view("qwen2_vl").model)
    del model.base_model.rope_deltas
    with pytest.raises(BrokenPromise, match="keeps no rope_deltas"):
        View(model)


def test_an_unbroken_model_passes(own):
    plain = play(view("llava"), [sample("llava", 1)], [made("pai", **PAI)])
    same(play(own, [sample("llava", 1)], [made("pai", **PAI)]), plain, 0)


def test_a_run_ends_with_one_line(workdir, capsys, monkeypatch):
    monkeypatch.setattr(compat, "CACHE_NAMES", ("elsewhere",))
    assert main(["eval", "task=pope", "method=pai", "method.pai.alpha=0.5", "limit=18", "logger=quiet"]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "the decoder holds 8 tokens where 80 have been fed" in said.err
    assert not list((workdir / "results" / "runs").glob("*/metrics.json"))

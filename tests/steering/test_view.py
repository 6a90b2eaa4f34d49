"""What a View finds and refuses."""

from __future__ import annotations

import pytest
import torch
import transformers

from harness.checks.zoo import FAMILIES, SEEING, sample, view
from harness.core import UsageError
from harness.steering import View, require
from tests.steering.probes import LookAtImage, Scale


@pytest.mark.parametrize("name", FAMILIES)
def test_parts(name):
    v = view(name)
    assert v.depth == 4 and v.n_heads == 4
    assert all(v.mlp(l) and v.attention(l) and v.projection(l) for l in range(4))
    h = torch.randn(2, 32)
    assert v.unembed(h).shape == (2, 256)
    assert not torch.equal(v.unembed(h), v.unembed(h, norm=False))
    assert v.shares_prefix == (name != "instructblip")
    require(v, [Scale("mlp", 1.0), LookAtImage(1.0)])


@pytest.mark.parametrize("name", SEEING)
def test_without_image(name):
    v, one = view(name), sample(name, 0, shared=True)
    bare = v.without_image(one)
    wrappers = 2 if name.startswith("qwen") or name == "gemma3" else 0
    assert one.length - bare.length == FAMILIES[name].tokens + wrappers
    assert not bare.sees and v.image_token_id not in bare.tensors["input_ids"]
    assert bare.shared is not None and bare.shared[1] == 4
    assert bare.question == (4, 10)
    assert torch.equal(bare.tensors["input_ids"][0, 4:], one.tensors["input_ids"][0, slice(*one.question)])


def test_models_that_cannot_be_steered():
    t5 = transformers.T5ForConditionalGeneration(
        transformers.T5Config(vocab_size=32, d_model=16, d_ff=16, num_layers=1, num_heads=2, d_kv=8)
    )
    with pytest.raises(UsageError, match="T5ForConditionalGeneration has no autoregressive decoder"):
        View(t5)
    bert = transformers.BertModel(transformers.BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(UsageError, match="has no autoregressive decoder"):
        View(bert)


def test_caps_and_sinks_are_refused_where_attention_is_edited():
    gemma = transformers.Gemma2Config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    v = View(transformers.Gemma2ForCausalLM(gemma))
    require(v, [Scale("mlp", 1.0)])
    with pytest.raises(UsageError, match="method=look edits attention, but Gemma2ForCausalLM caps"):
        require(v, [LookAtImage(1.0)])


def test_eager_attention_is_refused_where_attention_is_edited():
    model = FAMILIES["llama"].build()
    model.set_attn_implementation("eager")
    with pytest.raises(UsageError, match=r"needs model\.attention=sdpa"):
        require(View(model), [LookAtImage(1.0)])

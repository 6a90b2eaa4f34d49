"""The probe of sinks, on a stand-in into which one is built."""

from __future__ import annotations

import pytest
import torch

from harness.embedded.smol_llava.sinks import Layer, means, probe
from harness.models.smol.assemble import assemble, processor


def test_shares_and_the_outlier(base):
    from PIL import Image

    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    torch.manual_seed(0)
    model = assemble(base, {}, vision, attn_implementation="eager", dtype=torch.float32)
    reader = processor(base)
    text = reader.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is there a dog?"}]}],
        add_generation_prompt=True,
    )
    inputs = reader(images=[Image.new("RGB", (96, 96), "red")], text=[text], return_tensors="pt")
    with torch.no_grad():
        model.model.language_model.embed_tokens.weight[inputs["input_ids"][0, 0], 7] = 500.0
    found = probe(model, inputs)
    first = found[0]
    assert [layer.layer for layer in found] == [0, 1]
    assert (first.token, first.dimension) == (0, 7) and first.largest == 500 and first.ratio > 100
    assert first.sink == pytest.approx(96**0.5, rel=0.01) and first.seen < 5
    prefix = inputs["input_ids"][0].tolist().index(model.config.image_token_id)
    rest = sum(layer.first + layer.picture + layer.text for layer in found) / 2
    assert 0 < rest <= 1 + 1e-5 and prefix > 1


def test_means():
    rows = [[Layer(0, x, 0, 0, x, t, 5, 0, 0, 0)] for x, t in ((0.0, 3), (1.0, 0), (0.5, 0))]
    assert means(rows) == [Layer(0, 0.5, 0, 0, 0.5, 0, 5, 0, 0, 0)]

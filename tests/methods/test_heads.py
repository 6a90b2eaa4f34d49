"""Direct logit attribution: the parts add up, and a head's part is what its removal takes away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from harness.checks.playing import play
from harness.checks.zoo import FAMILIES, sample, view
from harness.core import UsageError
from harness.methods._shared.attribution import gain
from harness.steering import View
from tests.methods.made import made


def read(family, *methods):
    one = sample(family, 0)
    (got,) = play(view(family), [one], [*methods, made("heads")])
    return one, got, {name.partition(".")[2]: r.values for name, r in got.readings.items()}


@pytest.mark.parametrize("family", ["llama", "llava", "qwen2_vl", "gemma3", "internvl"])
def test_parts_add_up_to_the_difference_of_the_logits(family):
    _, got, found = read(family)
    assert got.scores is not None
    first, second = got.scores[0].float().topk(2).values.tolist()
    assert found["difference"] == pytest.approx(first - second, abs=1e-3)
    parts = found["embedding"] + found["attention_layers"].sum() + found["mlp_layers"].sum()
    assert parts == pytest.approx(float(found["difference"]), abs=1e-3) and abs(found["rest"]) < 1e-3
    np.testing.assert_allclose(found["heads"].sum(1), found["attention_layers"], atol=1e-3, rtol=2e-3)


def test_heads_against_a_plain_pass():
    """u . (w / rms * W_O^h z_h), from hooks on the stock model."""
    v, (one, got, found) = view("llama"), read("llama")
    z, last = [], []
    hooks = [v.projection(l).register_forward_pre_hook(lambda _, a: z.append(a[0][0, -1])) for l in range(v.depth)]
    hooks.append(v.norm.register_forward_pre_hook(lambda _, a: last.append(a[0][0, -1])))
    try:
        with torch.no_grad():
            v.model(**one.tensors, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    assert got.scores is not None
    first, second = got.scores[0].topk(2).indices.tolist()
    rms = (last[0].square().mean() + v.decoder.config.rms_norm_eps).sqrt()
    along = (v.head.weight[first] - v.head.weight[second]) * v.norm.weight / rms
    size = len(z[0]) // v.n_heads
    for l, h in ((0, 0), (1, 3), (3, 2)):
        columns, weight = slice(h * size, (h + 1) * size), torch.as_tensor(v.projection(l).weight)
        wanted = along @ (weight[:, columns] @ z[l][columns])
        assert found["heads"][l, h] == pytest.approx(float(wanted), abs=1e-3)


def test_a_norm_that_only_scales():
    h = torch.randn(3, 8)
    norm = nn.RMSNorm(8)
    nn.init.normal_(norm.weight)
    torch.testing.assert_close(h * gain(norm, h), norm(h))


def test_layer_norms_are_refused():
    model = FAMILIES["llama"].build()
    model.model.norm = nn.LayerNorm(32)
    with pytest.raises(UsageError, match="method=heads needs a final norm that only scales"):
        play(View(model), [sample("llama", 0)], [made("heads")])

"""image_attention against attention computed by brute force, by the stock eager implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import IMAGE, sample, view
from harness.methods.probes.image_attention import KINDS
from tests.methods.eager import attention
from tests.methods.made import made


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "idefics3"])
def test_against_eager_attention(family):
    one = sample(family, 0)
    one.question = (one.length - 4, one.length - 1)
    (got,) = play(view(family), [one], [made("image_attention")])
    read = {name.partition(".")[2]: r for name, r in got.readings.items()}
    weights = attention(view(family), one, got.tokens)  # [layers, heads, steps, columns], padded with zeros
    ids = one.tensors["input_ids"][0].numpy()
    prompt = len(ids)
    image = np.flatnonzero(ids == IMAGE)
    at = {"image": image, "question": np.arange(prompt - 4, prompt - 1), "first": np.array([0])}
    at["generated"] = np.arange(prompt, weights.shape[-1])
    taken = np.concatenate([image, at["question"], at["first"]])
    at["prompt"] = np.setdiff1d(np.arange(prompt), taken)
    for kind in KINDS:
        mass = weights[..., at[kind]].sum(-1)
        np.testing.assert_allclose(read[kind].values, mass.mean(), atol=2e-6)
        np.testing.assert_allclose(read[f"{kind}_heads"].values, mass.mean(2), atol=2e-5)
        np.testing.assert_allclose(read[f"{kind}_layers"].values, mass.mean((1, 2)), atol=2e-5)
        if kind != "generated":
            np.testing.assert_allclose(read[f"{kind}_prefill"].values, mass[:, :, 0], atol=2e-5)
        np.testing.assert_allclose(read[f"{kind}_steps"].values, mass.mean((0, 1)), atol=2e-5)
    assert sum(float(read[k].values) for k in KINDS) == pytest.approx(1, abs=1e-5)
    side = int(len(image) ** 0.5)
    grid = weights[:, :, 0, image].mean(1).reshape(-1, side, side)
    np.testing.assert_allclose(read["map"].values, grid, atol=2e-5)


def test_prompts_without_a_picture_have_no_map_and_no_mass_on_it():
    (got,) = play(view("llava"), [sample("llava", 0, picture=None)], [made("image_attention")])
    assert got.readings["image_attention.image"].value == 0
    assert "image_attention.map" not in got.readings
    assert torch.isfinite(torch.tensor([r.value for r in got.readings.values()])).all()

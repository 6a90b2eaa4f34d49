"""The golden models with 576 image tokens: random weights that are drawn again from their seeds, bit for bit.

The authors' numbers were made with weights from `torch.randn`, whose last bits depend on the processor. Here the draws
are computed from the seed in float64, and `geometry/draws.npz` holds what is missing to the float32 of that machine.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import transformers as T

from tests.parity.common import arrays

WIDTH, INNER, VOCABULARY, HEADS, LAYERS = 48, 96, 384, 6, 8
VISION_WIDTH, VISION_INNER, VISION_HEADS, SIDE, PATCH, PATCHES = 32, 64, 4, 336, 14, 576
IMAGE = 380
"""The image token."""

SEEDS = {"plain": 11, "sinks": 12, "deep24": 21}
"""plain; plain with planted sink dimensions 7 and 30; 24 vision layers above 4 decoder layers instead of 8 and 8."""
DIGESTS = {
    "plain": "62b9c692aded7beeda1813c2bafed34fd7ed105960d48b92a49d2e61f2e14173",
    "sinks": "0c1649d8cfe195a259064c74bb09fadf4edd4f62ff591c411fce5fff0a6d71ec",
    "deep24": "3c6a945563839c1b93f98a413bb037600486366b70352ecb2569dc652fda89cd",
}
"""SHA-256 over all weights, in the order in which they are drawn."""


def depths(name: str) -> tuple[int, int]:
    """Decoder and vision layers."""
    return (4, 24) if name == "deep24" else (8, 8)


def config(name: str) -> Any:
    layers, vision_layers = depths(name)
    text = {
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": VISION_WIDTH,
        "intermediate_size": VISION_INNER,
        "num_hidden_layers": vision_layers,
        "num_attention_heads": VISION_HEADS,
        "image_size": SIDE,
        "patch_size": PATCH,
        "projection_dim": 16,
    }
    return T.LlavaConfig(
        text_config=text,
        vision_config=vision,
        image_token_index=IMAGE,
        image_seq_length=PATCHES,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )


def shapes(name: str) -> Iterator[tuple[str, tuple[int, ...], float]]:
    """Name, shape and scale of each tensor, in the order of the draws; norms' weights, which are ones, have scale 0."""
    layers, vision_layers = depths(name)
    yield "vision_tower.embeddings.class_embedding", (VISION_WIDTH,), 1.0
    yield "vision_tower.embeddings.patch_embedding.weight", (VISION_WIDTH, 3, PATCH, PATCH), 588**-0.5
    yield "vision_tower.embeddings.position_embedding.weight", (PATCHES + 1, VISION_WIDTH), 0.6
    yield from _norm("vision_tower.pre_layrnorm")
    for l in range(vision_layers):
        at = f"vision_tower.encoder.layers.{l}"
        for part, gain in (("k_proj", 1.8), ("v_proj", 1.0), ("q_proj", 1.8), ("out_proj", 1.0)):
            yield from _linear(f"{at}.self_attn.{part}", VISION_WIDTH, VISION_WIDTH, gain)
        yield from _norm(f"{at}.layer_norm1")
        yield from _linear(f"{at}.mlp.fc1", VISION_INNER, VISION_WIDTH, 1.0)
        yield from _linear(f"{at}.mlp.fc2", VISION_WIDTH, VISION_INNER, 1.0)
        yield from _norm(f"{at}.layer_norm2")
    yield from _norm("vision_tower.post_layernorm")
    yield from _linear("multi_modal_projector.linear_1", WIDTH, VISION_WIDTH, 2.0)
    yield from _linear("multi_modal_projector.linear_2", WIDTH, WIDTH, 2.0)
    yield "language_model.model.embed_tokens.weight", (VOCABULARY, WIDTH), 1.0
    for l in range(layers):
        at = f"language_model.model.layers.{l}"
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield f"{at}.self_attn.{part}.weight", (WIDTH, WIDTH), 1.6 / WIDTH**0.5
        for part, out, into in (("gate_proj", INNER, WIDTH), ("up_proj", INNER, WIDTH), ("down_proj", WIDTH, INNER)):
            yield f"{at}.mlp.{part}.weight", (out, into), 1.6 / into**0.5
        yield f"{at}.input_layernorm.weight", (WIDTH,), 0.0
        yield f"{at}.post_attention_layernorm.weight", (WIDTH,), 0.0
    yield "language_model.model.norm.weight", (WIDTH,), 0.0
    yield "language_model.lm_head.weight", (VOCABULARY, WIDTH), 2.0 / WIDTH**0.5


def _linear(at: str, out: int, into: int, gain: float) -> Iterator[tuple[str, tuple[int, ...], float]]:
    yield f"{at}.weight", (out, into), gain / into**0.5
    yield f"{at}.bias", (out,), 0.1


def _norm(at: str) -> Iterator[tuple[str, tuple[int, ...], float]]:
    yield f"{at}.weight", (VISION_WIDTH,), 0.0
    yield f"{at}.bias", (VISION_WIDTH,), 0.1


def normals(seed: int, count: int) -> np.ndarray:
    """Normal draws, float64: Box-Muller on blocks of 16, from 24 bits of each word of a Mersenne twister, as torch."""
    words = np.frombuffer(np.random.RandomState(seed).bytes(4 * count), "<u4")
    u = ((words & 0xFFFFFF) * 2.0**-24).reshape(-1, 2, 8)
    radius, angle = np.sqrt(-2 * np.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()


def _ordered(bits: np.ndarray) -> np.ndarray:
    """Bits of float32 as integers in the order of the numbers, and back."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def draws(name: str) -> np.ndarray:
    """The authors' machine's float32 draws: units in the last place from ours, most of them within a byte."""
    store = arrays("geometry/draws")
    units = store[name].astype(np.int32)
    units[store[f"{name}_far"]] = store[f"{name}_units"]
    near = normals(SEEDS[name], len(units)).astype(np.float32)
    return _ordered(_ordered(near.view(np.int32)) + units).view(np.float32)


def weights(name: str) -> dict[str, torch.Tensor]:
    """The state of the checkpoint. Raises AssertionError where it is not the one that the authors' code ran with."""
    rest, state, digest = draws(name), dict[str, torch.Tensor](), hashlib.sha256()
    for key, shape, scale in shapes(name):
        if not scale:
            state[key] = torch.ones(shape)
            continue
        size = int(np.prod(shape))
        array = rest[:size].reshape(shape) * np.float32(scale)
        rest = rest[size:]
        if name == "sinks":
            _plant(key, array)
        digest.update(array.tobytes())
        state[key] = torch.from_numpy(array)
    assert not len(rest) and digest.hexdigest() == DIGESTS[name], f"{name}: the weights are not the golden ones"
    return state


def _plant(key: str, array: np.ndarray) -> None:
    """Sinks: BOS is huge in dimensions 7 and 30, and the picture's states are large there."""
    if key == "multi_modal_projector.linear_2.weight":
        array[7] *= np.float32(3.2)
        array[30] *= np.float32(2.0)
    elif key == "language_model.model.embed_tokens.weight":
        array[1, 7], array[1, 30] = 60.0, -35.0


@functools.cache
def model(name: str) -> Any:
    T.logging.set_verbosity_error()
    T.logging.disable_progress_bar()
    made = T.LlavaForConditionalGeneration.from_pretrained(
        None, config=config(name), state_dict=weights(name), dtype=torch.float32, attn_implementation="sdpa"
    )
    made.generation_config.eos_token_id = None
    return made.eval().requires_grad_(False)

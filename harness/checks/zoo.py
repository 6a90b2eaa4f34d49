"""Small random-weight models of ten families, and single-sample inputs for them."""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers as T
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor

from harness.core.picture import Picture
from harness.core.types import Message, Request
from harness.steering import Inputs, View

IMAGE, BEFORE, AFTER, WORDS = 200, 202, 203, 190
TEXT: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": None,
}
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
SQUARE = (1, 3, 56, 56)
DEVICE = os.environ.get("HARNESS_TEST_DEVICE", "cpu")
"""Where the models are; `pytest --device cuda` sets it."""


@dataclass(frozen=True)
class Family:
    build: Callable[[], Any]
    tokens: int = 0
    """Image tokens of a prompt; 0: the family reads text only."""
    pixels: Callable[[torch.Generator], dict[str, Tensor]] | None = None


def _normal(shape: tuple[int, ...]) -> Callable[[torch.Generator], dict[str, Tensor]]:
    return lambda g: {"pixel_values": torch.randn(shape, generator=g)}


def _llava() -> Any:
    clip = T.CLIPVisionConfig(**VISION, projection_dim=16)
    return T.LlavaForConditionalGeneration(
        T.LlavaConfig(vision_config=clip, text_config=T.LlamaConfig(**TEXT), image_token_index=IMAGE)
    )


def _llava_next() -> Any:
    clip = T.CLIPVisionConfig(**VISION, projection_dim=16)
    grid = [[56, 112], [112, 56], [112, 112]]
    return T.LlavaNextForConditionalGeneration(
        T.LlavaNextConfig(
            vision_config=clip, text_config=T.LlamaConfig(**TEXT), image_token_index=IMAGE, image_grid_pinpoints=grid
        )
    )


def _llava_next_pixels(g: torch.Generator) -> dict[str, Tensor]:
    return {"pixel_values": torch.randn(1, 3, *SQUARE[1:], generator=g), "image_sizes": torch.tensor([[56, 112]])}


def _qwen(model: Any, config: Any, vision: dict[str, Any], **text: Any) -> Any:
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0, **text.pop("rope", {})}
    return model(
        config(
            vision_config={
                "depth": 2,
                "num_heads": 2,
                "patch_size": 4,
                "spatial_merge_size": 2,
                "temporal_patch_size": 2,
            }
            | vision,
            text_config=TEXT | text | {"rope_parameters": rope},
            image_token_id=IMAGE,
            video_token_id=201,
            vision_start_token_id=BEFORE,
            vision_end_token_id=AFTER,
        )
    )


def _qwen2_vl() -> Any:
    return _qwen(
        T.Qwen2VLForConditionalGeneration, T.Qwen2VLConfig, {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2}
    )


def _qwen2_5_vl() -> Any:
    vision = {
        "hidden_size": 16,
        "out_hidden_size": 32,
        "intermediate_size": 24,
        "window_size": 32,
        "fullatt_block_indexes": [1],
    }
    return _qwen(T.Qwen2_5_VLForConditionalGeneration, T.Qwen2_5_VLConfig, vision)


def _qwen3_vl() -> Any:
    vision = {"hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 24, "deepstack_visual_indexes": [0, 1]}
    vision["num_position_embeddings"] = 64
    rope = {"mrope_interleaved": True}
    return _qwen(T.Qwen3VLForConditionalGeneration, T.Qwen3VLConfig, vision, head_dim=8, rope=rope)


def _qwen_pixels(g: torch.Generator) -> dict[str, Tensor]:
    return {"pixel_values": torch.randn(64, 96, generator=g), "image_grid_thw": torch.tensor([[1, 8, 8]])}


def _idefics3() -> Any:
    return T.Idefics3ForConditionalGeneration(
        T.Idefics3Config(
            vision_config=VISION,
            text_config=T.LlamaConfig(**TEXT),
            image_token_id=IMAGE,
            scale_factor=2,
            pad_token_id=0,  # type: ignore[call-arg]  # of every configuration
        )
    )


def _internvl() -> Any:
    vision: dict[str, Any] = VISION | {"image_size": [56, 56], "patch_size": [14, 14]}
    return T.InternVLForConditionalGeneration(
        T.InternVLConfig(
            vision_config=vision, text_config=T.Qwen2Config(**TEXT), image_token_id=IMAGE, image_seq_length=4
        )
    )


def _gemma3() -> Any:
    kinds = ["sliding_attention"] * 3 + ["full_attention"]
    text = T.Gemma3TextConfig(**TEXT, head_dim=8, sliding_window=32, layer_types=kinds, tie_word_embeddings=False)
    return T.Gemma3ForConditionalGeneration(
        T.Gemma3Config(
            text_config=text,
            vision_config=T.SiglipVisionConfig(**VISION),
            mm_tokens_per_image=4,
            tie_word_embeddings=False,
            image_token_index=IMAGE,
            boi_token_index=BEFORE,
            eoi_token_index=AFTER,
        )
    )


def _instructblip() -> Any:
    former: dict[str, Any] = {
        "vocab_size": 256,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }
    former |= {"encoder_hidden_size": 16, "cross_attention_frequency": 1, "max_position_embeddings": 64}
    return T.InstructBlipForConditionalGeneration(
        T.InstructBlipConfig(
            vision_config=VISION | {"initializer_range": 0.3},  # or attention in the tower is uniform
            qformer_config=former,
            text_config=T.LlamaConfig(**TEXT),
            num_query_tokens=8,
            image_token_index=IMAGE,
        )
    )


FAMILIES = {
    "llama": Family(lambda: T.LlamaForCausalLM(T.LlamaConfig(**TEXT))),
    "llava": Family(_llava, 16, _normal(SQUARE)),
    "llava_next": Family(_llava_next, 16 + 4 * (8 + 1), _llava_next_pixels),
    "qwen2_vl": Family(_qwen2_vl, 16, _qwen_pixels),
    "qwen2_5_vl": Family(_qwen2_5_vl, 16, _qwen_pixels),
    "qwen3_vl": Family(_qwen3_vl, 16, _qwen_pixels),
    "idefics3": Family(_idefics3, 4, _normal((1, *SQUARE))),
    "internvl": Family(_internvl, 4, _normal(SQUARE)),
    "gemma3": Family(_gemma3, 4, _normal(SQUARE)),
    "instructblip": Family(_instructblip, 8, _normal(SQUARE)),
}
SEEING = [name for name, family in FAMILIES.items() if family.tokens]


@functools.cache
def view(name: str) -> View:
    """The family's model with fixed random weights, peaked enough that no two next tokens are near a tie."""
    T.logging.set_verbosity_error()
    torch.manual_seed(0)
    model = FAMILIES[name].build().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for key, weight in model.named_parameters():
        if weight.dim() >= 2 and "vision" not in key and "visual" not in key:
            weight.data.normal_(0, 2.0 / weight.shape[-1] ** 0.5, generator=generator)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    made = View(model.to(DEVICE))
    made.encode, made.enlarged = functools.partial(encode, name), functools.partial(_enlarged, name)
    made.tokenizer = tokenizer()
    return made


@functools.cache
def tokenizer() -> Any:
    """One word a token: "w12" is token 12, but for "yes" and "no"."""
    names = {10: "yes", 20: "no"}
    made = Tokenizer(WordLevel({names.get(i, f"w{i}"): i for i in range(TEXT["vocab_size"])}, unk_token="w0"))
    made.pre_tokenizer = WhitespaceSplit()
    return T.PreTrainedTokenizerFast(tokenizer_object=made)


def words(n: int, seed: int) -> list[int]:
    return torch.randint(3, WORDS, (n,), generator=torch.Generator().manual_seed(seed)).tolist()


def sample(
    name: str, question: int, *, length: int = 6, picture: int | None = 1, before: int = 3, shared: bool = False
) -> Inputs:
    """A prompt: `before` words, the picture of that seed (None: no picture), and `length` words of a question."""
    text = " ".join(f"w{w}" for w in words(length, 1000 + question))
    sees = bool(FAMILIES[name].tokens) and picture is not None
    content = (Picture(str(picture).encode()), text) if sees else (text,)
    system = Message("system", (" ".join(f"w{w}" for w in words(before, 99)),))
    made = encode(name, Request((system, Message("user", content)), 8))
    head = made.length - length
    return replace(
        made, shared=(f"picture {picture} after {before}", head) if shared else None, question=(head, head + length)
    )


def encode(name: str, request: Request) -> Inputs:
    """What a processor would make of a request: "w12" is token 12, any other word some token; a picture's bytes are the
    seed of its pixels."""
    family = FAMILIES[name]
    said = [(m.role == "system", part) for m in request.messages for part in m.content if isinstance(part, str)]
    system, text = ([t for early, part in said if early is first for t in _tokens(part)] for first in (True, False))
    wrapped = name.startswith("qwen") or name == "gemma3"
    sees = bool(request.pictures)
    start = [BEFORE] * wrapped + [IMAGE] * family.tokens + [AFTER] * wrapped if sees else []
    ids = torch.tensor([[1, *system, *start, *text]])
    tensors = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if name.startswith("qwen"):
        tensors["mm_token_type_ids"] = (ids == IMAGE).long()
    if name == "gemma3":
        tensors["token_type_ids"] = (ids == IMAGE).long()
    if sees and family.pixels:
        tensors |= family.pixels(torch.Generator().manual_seed(int(request.pictures[0].encoded())))
        if name == "instructblip":
            ids = torch.tensor([[4, *text[:2], *text[-3:], 5]])
            tensors |= {"qformer_input_ids": ids, "qformer_attention_mask": torch.ones_like(ids)}
    return Inputs(tensors, request=request)


def _enlarged(name: str, request: Request, factor: float) -> Tensor:
    """Noise at so many times the size: another one than at the family's own."""
    family = FAMILIES[name]
    assert family.pixels
    generator = torch.Generator().manual_seed(int(request.pictures[0].encoded()))
    shape = family.pixels(generator)["pixel_values"].shape
    return torch.randn(*shape[:-2], *(round(n * factor) for n in shape[-2:]), generator=generator)


def _tokens(text: str) -> list[int]:
    return [int(w[1:]) if w[1:].isdigit() else 3 + zlib.crc32(w.encode()) % (WORDS - 3) for w in text.split()]

"""The model: CLIP tower, two-layer projector and Llama, in their stock classes, and its initial weights."""

from dataclasses import dataclass

import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from harness.embedded.scenes import CATEGORIES, GRID
from harness.embedded.tiny_llava.cache import PATCH, PATCHES
from harness.embedded.tiny_llava.tokenizer import BOS, EOS, IMAGE, PAD, lead_token

PROBED_LAYER = 1
"""Decoder layer whose output at the object's token the auxiliary presence probe reads."""


@dataclass(frozen=True)
class Size:
    """Widths and depths; heads are 32 wide."""

    vision_width: int = 160
    vision_layers: int = 3
    width: int = 128
    layers: int = 4
    inner: int = 384


SMALLEST = Size(32, 1, 32, 2, 32)
"""For tests."""


def name_codes(width: int) -> torch.Tensor:
    """Fixed random unit vectors (67, width): the first embeddings of the names, the targets of stage 1."""
    codes = torch.randn(len(CATEGORIES), width, generator=torch.Generator().manual_seed(0))
    return codes / codes.norm(dim=1, keepdim=True)


def build(size: Size, vocabulary: int) -> LlavaForConditionalGeneration:
    """The randomly initialised model."""
    vision = CLIPVisionConfig(
        hidden_size=size.vision_width,
        intermediate_size=3 * size.vision_width,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.vision_width // 32,
        image_size=GRID,
        patch_size=PATCH,
        projection_dim=size.vision_width,
    )
    text = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.width // 32,
        num_key_value_heads=size.width // 32,
        max_position_embeddings=1024,
        bos_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=PAD,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE,
        projector_hidden_act="gelu",
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
        image_seq_length=PATCHES,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    generation = model.generation_config
    generation.bos_token_id, generation.eos_token_id, generation.pad_token_id = BOS, EOS, PAD
    generation.max_new_tokens = 64
    return model


def initialise(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> None:
    """Start the decoder where learning is quick.

    Names begin at the codes onto which stage 1 projects the patches; two-digit tokens lie on a smooth curve; and
    the first two layers have equal query and key weights ("mimetic"), so that a name attends to like patches
    from the first step. Without this, yes/no stays at chance for thousands of sequences.
    """
    language = model.model.language_model
    width = language.config.hidden_size
    codes = name_codes(width)
    with torch.no_grad():
        embedding = language.embed_tokens.weight.normal_(0, 0.05)
        for c in CATEGORIES:
            for form in {c.name, c.plural}:
                embedding[lead_token(tokenizer, form)] = codes[c.index]
        waves = torch.outer(torch.arange(100) / 100, torch.arange(1, 5) * torch.pi)
        basis = torch.randn(8, width, generator=torch.Generator().manual_seed(1)) * 0.05
        numbers = torch.cat([waves.sin(), waves.cos()], 1) @ basis
        for i in range(100):
            embedding[tokenizer.encode(f"{i:02d}", add_special_tokens=False)[0]] += numbers[i]
        for layer in language.layers[:2]:
            attention = layer.self_attn
            attention.q_proj.weight.normal_(0, 0.05)
            attention.k_proj.weight.copy_(attention.q_proj.weight)
            attention.q_proj.weight.add_(torch.randn_like(attention.q_proj.weight) * 0.02)


def visual_tokens(model: LlavaForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    """Project normalised pictures (b, 3, 96, 96) to (b, 64, width), as the stock forward does."""
    features = model.model.vision_tower(pixels).last_hidden_state[:, 1:]
    return model.model.multi_modal_projector(features)

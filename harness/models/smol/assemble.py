"""A stock LlavaForConditionalGeneration from a language model's folder and a delta.

The delta holds what was trained: the vision tower, the projector, and low-rank additions to the decoder's attention,
which are merged into its weights. No token is added: one of the base's reserved tokens becomes `<image>`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SIDE, PATCH = 96, 12
"""Of a picture and of a patch, in pixels."""
PATCHES = (SIDE // PATCH) ** 2
MEAN, STD = 0.5, 0.25
"""Pixel normalisation."""

IMAGE, PLACEHOLDER = "<image>", "<empty_output>"
"""The image token takes the place of a token that the base reserves for notebooks' outputs."""
BOS, EOS, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SCALE = 2.0
"""What the product of the low-rank factors is multiplied by."""
ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj")

# One image comes first in a user turn, whatever its place in the content list; several stand where they are.
TEMPLATE = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}"
    "{% set images = m['content'] | selectattr('type', 'equalto', 'image') | list %}"
    "{% if images | length == 1 %}<image>\n{% endif %}"
    "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}"
    "{% elif images | length > 1 %}<image>\n{% endif %}{% endfor %}"
    "{% endif %}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _words(base: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The base's tokenizer.json with `<image>` in its vocabulary, and the vocabulary."""
    raw: dict[str, Any] = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = raw["model"]["vocab"]
    if PLACEHOLDER not in vocabulary:
        raise ValueError(f"{base} has no token {PLACEHOLDER} to make an image token of: it is not SmolLM2")
    vocabulary[IMAGE] = vocabulary.pop(PLACEHOLDER)
    return raw, vocabulary


def tokenizer(base: Path) -> PreTrainedTokenizerFast:
    """The base's tokenizer with `<image>` and the chat template, without its system prompt."""
    raw, vocabulary = _words(base)
    number = vocabulary[IMAGE]
    added = [a for a in raw["added_tokens"] if a["id"] != number]
    image = {"id": number, "content": IMAGE, "special": True, "normalized": False}
    image |= dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    raw["added_tokens"] = sorted([*added, image], key=lambda a: a["id"])
    from tokenizers import Tokenizer

    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(raw)),
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=PAD,
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        model_max_length=8192,
    )
    made.chat_template = TEMPLATE
    return made


def processor(base: Path) -> LlavaProcessor:
    """Squeezes pictures to 96 x 96 pixels with Pillow alone, as tiny-llava's does."""
    image = CLIPImageProcessorPil(
        size={"height": SIDE, "width": SIDE},
        do_center_crop=False,
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )
    return LlavaProcessor(
        image,
        tokenizer(base),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )


def configuration(base: Path, vision: dict[str, Any]) -> LlavaConfig:
    """Of the whole model.

    Args:
        base: The language model's folder.
        vision: hidden_size, intermediate_size, num_hidden_layers and num_attention_heads of the tower.
    """
    _, vocabulary = _words(base)
    text = AutoConfig.from_pretrained(base)
    text.bos_token_id, text.eos_token_id, text.pad_token_id = (vocabulary[t] for t in (BOS, EOS, PAD))
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            **vision, image_size=SIDE, patch_size=PATCH, projection_dim=vision["hidden_size"]
        ),
        text_config=text,
        image_token_index=vocabulary[IMAGE],
        projector_hidden_act="gelu",
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
        image_seq_length=PATCHES,
        tie_word_embeddings=True,
    )


def merged(base: dict[str, torch.Tensor], delta: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """State dict of the whole model, under the names of `LlavaForConditionalGeneration`.

    Args:
        base: The language model's weights (`model.layers.0...`), tied embeddings.
        delta: `tower.*`, `projector.*`, and `lora.LAYER.PROJECTION.A` (rank x in) with `.B` (out x rank).
    """
    state = {f"model.language_model.{k.removeprefix('model.')}": v for k, v in base.items() if k.startswith("model.")}
    for name, value in delta.items():
        part, _, rest = name.partition(".")
        if part == "tower":
            state[f"model.vision_tower.{rest}"] = value
        elif part == "projector":
            state[f"model.multi_modal_projector.{rest}"] = value
        elif rest.endswith(".A"):
            layer, projection, _ = rest.split(".")
            key = f"model.language_model.layers.{layer}.self_attn.{projection}.weight"
            low = value.float(), delta[f"{name[:-1]}B"].float()
            state[key] = state[key] + (SCALE * low[1] @ low[0]).to(state[key].dtype)
    return state


def assemble(
    base: Path, delta: dict[str, torch.Tensor], vision: dict[str, int], **options: Any
) -> LlavaForConditionalGeneration:
    """The model in evaluation mode, ready to answer or to be saved.

    Args:
        base: The language model's folder, as `harness.models.hf.unpacked` leaves it.
        delta: As for `merged`.
        vision: As for `configuration`.
        options: Of `from_pretrained`: dtype, attn_implementation, device_map.

    Raises:
        ValueError: the delta does not fit, or lacks parts; an empty one leaves tower and projector at random.
    """
    from safetensors.torch import load_file

    config = configuration(base, vision)
    state = merged(load_file(base / "model.safetensors"), delta)
    made: Any = LlavaForConditionalGeneration.from_pretrained(
        None, config=config, state_dict=state, output_loading_info=True, **options
    )
    model, info = made
    if delta and (wrong := sorted({*info["missing_keys"], *info["unexpected_keys"]})):
        raise ValueError(f"the delta and the model differ in {len(wrong)} tensors, {wrong[0]} among them")
    text: Any = config.text_config
    generation = model.generation_config
    generation.bos_token_id, generation.eos_token_id = text.bos_token_id, text.eos_token_id
    generation.pad_token_id, generation.max_new_tokens = text.pad_token_id, 96
    return model.eval()

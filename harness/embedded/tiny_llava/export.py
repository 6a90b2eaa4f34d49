"""Write the stock Hugging Face directory, file by file and atomically, so that readers never see half a model."""

import copy
import shutil
from pathlib import Path

import torch
from transformers import CLIPImageProcessorPil, LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

from harness.embedded.scenes import GRID
from harness.embedded.tiny_llava.cache import PATCH
from harness.embedded.tiny_llava.tokenizer import TEMPLATE
from harness.embedded.tiny_llava.vision import MEAN, STD


def processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Shrinks to 96 x 96 pixels with Pillow alone; what is not square is squeezed, not cropped, so that all of a web
    page is seen. One class token is dropped by the "default" feature selection."""
    image = CLIPImageProcessorPil(
        size={"height": GRID, "width": GRID},
        do_center_crop=False,
        crop_size={"height": GRID, "width": GRID},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )
    return LlavaProcessor(
        image,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )


def export(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Save model (fp16) and processor into `directory`, replacing what is there."""
    staging = directory.with_name(directory.name + ".staging")
    shutil.rmtree(staging, ignore_errors=True)
    copy.deepcopy(model).to(torch.float16).save_pretrained(staging)  # pyright: ignore[reportArgumentType]
    processor(tokenizer).save_pretrained(staging)
    directory.mkdir(parents=True, exist_ok=True)
    # Weights last: configuration and tokenizer do not change from one export to the next.
    for file in sorted(staging.iterdir(), key=lambda f: f.suffix == ".safetensors"):
        file.chmod(0o644)  # safetensors writes 0600
        file.replace(directory / file.name)
    staging.rmdir()

"""Which pixels matter to a question: GradCAM of BLIP's image-text matching (as AGLA and Plug-and-Play VQA use it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.core.errors import Missing

SIDE = 384
"""The matcher's picture; the mask is made, and the picture masked, at this size."""


@dataclass
class Matcher:
    """A BLIP retrieval model. `block`: the text encoder's layer whose cross-attention is read."""

    model: Any
    processor: Any
    block: int

    @classmethod
    def load(cls, path: str, block: int) -> Matcher:
        """Raises Missing where the checkpoint cannot be loaded."""
        from transformers import BlipForImageTextRetrieval, BlipProcessor

        try:
            model = BlipForImageTextRetrieval.from_pretrained(path, attn_implementation="eager")
            return cls(model.eval().requires_grad_(False), BlipProcessor.from_pretrained(path), block)
        except (OSError, ValueError, ImportError) as e:
            raise Missing(f"method.agla.matcher={path} cannot be loaded: {str(e).splitlines()[0][:200]}") from e

    def relevance(self, image: Image.Image, text: str) -> tuple[np.ndarray, float]:
        """GradCAM map [g, g] of the matching score, mean over the text's tokens, and the contrastive similarity."""
        size = self.model.config.vision_config.image_size
        batch = self.processor(images=image.resize((size, size)), text=[text], return_tensors="pt")
        with torch.enable_grad():
            attention, score = self._matched(batch)
            (gradient,) = torch.autograd.grad(score, attention)
        cam = gradcam(attention.detach()[0], gradient[0])
        with torch.no_grad():
            similarity = float(self.model(**batch, use_itm_head=False).itm_score.flatten()[0])
        return cam.cpu().numpy(), similarity

    def _matched(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Cross-attention [1, H, t, 1 + g * g] of the block, and the score of "match" that depends on it."""
        vision = self.model.vision_model(pixel_values=batch["pixel_values"])
        states = vision.last_hidden_state.detach().requires_grad_()
        kept: list[Tensor] = []
        module = self.model.text_encoder.encoder.layer[self.block].crossattention.self

        def keep(_module: Any, _args: Any, output: Any) -> None:
            kept.append(output[1])

        handle = module.register_forward_hook(keep)
        try:
            asked = self.model.text_encoder(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                encoder_hidden_states=states,
                encoder_attention_mask=torch.ones(states.shape[:-1], dtype=torch.long),
                output_attentions=True,
            )
        finally:
            handle.remove()
        score = self.model.itm_head(asked.last_hidden_state[:, 0])[:, 1].sum()
        return kept[0], score


def gradcam(attention: Tensor, gradient: Tensor) -> Tensor:
    """Map [g, g] of attention and its gradient [H, t, 1 + g * g]: positive gradients weigh, heads and tokens (without
    the first) are averaged, the class column is left out."""
    cam = (attention * gradient.clamp(min=0)).mean(0)[1:, 1:].mean(0)
    side = round(len(cam) ** 0.5)
    return cam.reshape(side, side)


def masked(image: Image.Image, relevance: np.ndarray, similarity: float) -> Image.Image:
    """The picture at 384 x 384 with its least relevant pixels black: the better the match, the fewer are kept.

    `ratio = min(1 - similarity / 2, 1 - 1e-5)` of the pixels are kept, up to ties.
    """
    ratio = min(1 - similarity / 2, 1 - 1e-5)
    small = Image.fromarray(relevance.astype(np.float32))
    smooth = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    order = np.sort(smooth.ravel())[::-1]
    threshold = order[min(len(order) - 1, max(0, int(ratio * len(order))))]
    pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).copy()
    pixels[smooth < threshold] = 0
    return Image.fromarray(pixels)

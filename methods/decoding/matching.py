"""Which pixels matter to a question: GradCAM of BLIP's image-text matching (as AGLA and Plug-and-Play VQA use it)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.core.errors import Missing, first_line

SIDE = 384
"""The matcher's picture; the mask is made, and the picture masked, at this size."""
BLUR = 0.02 * SIDE
"""Standard deviation, in pixels, of the Gaussian that smooths the map."""
WORDS, TOKENS = 50, 35
"""How much of a text the matcher reads: words, and tokens with [CLS] and [SEP]."""


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
            raise Missing(f"method.agla.matcher={path} cannot be loaded: {first_line(e)}") from e

    def relevance(self, image: Image.Image, text: str) -> tuple[np.ndarray, float]:
        """GradCAM map [g, g] of the matching score, mean over the text's tokens, and the contrastive similarity."""
        size = self.model.config.vision_config.image_size
        batch = self.processor(images=image.resize((size, size)), text=[cleaned(text)], return_tensors="pt")
        for name in ("input_ids", "attention_mask"):
            batch[name] = cut(batch[name])
        with torch.enable_grad():
            attention, score = self._matched(batch)
            (gradient,) = torch.autograd.grad(score, attention)
        cam = gradcam(attention.detach()[0], gradient[0])
        with torch.no_grad():
            similarity = float(self.model(**batch, use_itm_head=False).itm_score.flatten()[0])
        return cam.cpu().numpy(), similarity

    def _matched(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Cross-attention [1, H, t, 1 + g * g] of the block, and the score of "match" that depends on it."""
        words = batch["input_ids"].clone()
        words[:, 0] = self.model.config.text_config.bos_token_id + 1  # BLIP adds [DEC], its BOS, and then [ENC]
        vision = self.model.vision_model(pixel_values=batch["pixel_values"])
        states = vision.last_hidden_state.detach().requires_grad_()
        kept: list[Tensor] = []
        module = self.model.text_encoder.encoder.layer[self.block].crossattention.self

        def keep(_module: Any, _args: Any, output: Any) -> None:
            kept.append(output[1])

        handle = module.register_forward_hook(keep)
        try:
            asked = self.model.text_encoder(
                input_ids=words,
                attention_mask=batch["attention_mask"],
                encoder_hidden_states=states,
                encoder_attention_mask=torch.ones(states.shape[:-1], dtype=torch.long),
                output_attentions=True,
            )
        finally:
            handle.remove()
        score = self.model.itm_head(asked.last_hidden_state[:, 0])[:, 1].sum()
        return kept[0], score


def cleaned(text: str) -> str:
    """The text as BLIP was trained on captions: lower case, marks other than ? and , as blanks, at most WORDS words."""
    plain = re.sub(r"\s{2,}", " ", re.sub(r'[.!"()*#:;~]', " ", text.lower())).rstrip("\n").strip(" ")
    return " ".join(plain.split(" ")[:WORDS])


def cut(tokens: Tensor) -> Tensor:
    """At most TOKENS of [1, t], the last one, [SEP], among them."""
    return torch.cat([tokens[:, : TOKENS - 1], tokens[:, -1:]], 1) if tokens.shape[1] > TOKENS else tokens


def gradcam(attention: Tensor, gradient: Tensor) -> Tensor:
    """Map [g, g] of attention and its gradient [H, t, 1 + g * g]: positive gradients weigh, heads and tokens (without
    the first, [ENC], and the last, [SEP]) are averaged, the class column is left out."""
    cam = (attention * gradient.clamp(min=0)).mean(0)[1:-1, 1:].mean(0)
    side = round(len(cam) ** 0.5)
    return cam.reshape(side, side)


def masked(image: Image.Image, relevance: np.ndarray, similarity: float) -> Image.Image:
    """The picture at 384 x 384 with its least relevant pixels black: the better the match, the fewer are kept.

    `ratio = min(1 - similarity / 2, 1 - 1e-5)` of the pixels are kept, up to ties; all where no pixel stands out.
    """
    pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).copy()
    smooth = spread(relevance)
    if smooth is not None:
        order = np.sort(smooth.ravel())[::-1]
        ratio = min(1 - np.float32(similarity) / 2, 1 - 1e-5)
        pixels[smooth < order[max(0, int(len(order) * ratio))]] = 0
    return Image.fromarray(pixels)


def spread(relevance: np.ndarray) -> np.ndarray | None:
    """The map [g, g] at 384 x 384, smoothed; None where it is the same everywhere.

    Cubic splines between the patches' centres with zeros outside, cut to the map's range, as scikit-image's `resize`
    with order 3 and mode "constant" computes them; then a Gaussian.
    """
    from scipy import ndimage

    low = relevance.astype(np.float32)
    low = low - low.min()
    if not low.max() > 0:
        return None
    low /= low.max()
    factors = [SIDE / n for n in low.shape]
    large = np.asarray(ndimage.zoom(low, factors, order=3, mode="grid-constant", grid_mode=True))
    return ndimage.gaussian_filter(large.clip(low.min(), low.max()), BLUR)

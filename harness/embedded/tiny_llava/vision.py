"""Stage 1: the tower and the projector learn, patch by patch, which category is seen and where its object lies."""

import numpy as np
import torch
import torch.nn.functional as F
from transformers import LlavaForConditionalGeneration

from harness.embedded.tiny_llava.architecture import name_codes, visual_tokens
from harness.embedded.tiny_llava.cache import BACKGROUND, SceneArrays

MEAN, STD = 0.5, 0.25
"""Pixel normalisation, also in the exported processor."""


def pixels(arrays: SceneArrays, rows: np.ndarray) -> torch.Tensor:
    """Normalised pictures (b, 3, 96, 96)."""
    return (torch.from_numpy(arrays.pixels[rows]).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


class PatchHead(torch.nn.Module):
    """Reads category and box from visual tokens. Categories are compared with fixed name codes, so that what is
    learnt is already in the decoder's own alphabet."""

    codes: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("codes", name_codes(width), persistent=False)
        self.background = torch.nn.Parameter(torch.zeros(1, width))
        self.scale = torch.nn.Parameter(torch.tensor(8.0))
        self.box = torch.nn.Linear(width, 4)

    def forward(
        self, tokens: torch.Tensor, arrays: SceneArrays, rows: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss, correct share on object patches, mean absolute box error on them (0..1)."""
        wanted = torch.from_numpy(arrays.patch_class[rows]).long()
        boxes = torch.from_numpy(arrays.patch_box[rows]).float()
        logits = tokens @ torch.cat([self.codes, self.background]).T * self.scale
        weight = torch.ones(BACKGROUND + 1)
        weight[BACKGROUND] = 0.3  # two thirds of all patches
        seen = wanted < BACKGROUND
        category = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weight=weight)
        box = (self.box(tokens)[seen] - boxes[seen]).abs().mean()
        right = (logits.argmax(-1) == wanted)[seen].float().mean()
        return category + 3 * box, right.detach(), box.detach()


class VisionObjective:
    """`Objective` of stage 1."""

    name = "vision"
    multiple = 2  # pictures alone are cheap

    def __init__(
        self, model: LlavaForConditionalGeneration, head: PatchHead, train: SceneArrays, calibration: SceneArrays
    ) -> None:
        self.model, self.head, self.train, self.calibration = model, head, train, calibration
        inner = model.model
        self.modules = torch.nn.ModuleDict(
            {"tower": inner.vision_tower, "projector": inner.multi_modal_projector, "patch_head": head}
        )

    def groups(self) -> list[dict]:
        """All parameters as one group for the optimizer."""
        return [{"params": list(self.modules.parameters()), "scale": 1.0}]

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Patch categories and boxes of one batch."""
        rows = np.sort(rng.integers(len(self.train), size=self.multiple * batch))
        loss, right, box = self.head(visual_tokens(self.model, pixels(self.train, rows)), self.train, rows)
        return loss, {"patch_accuracy": right.item(), "box_error": box.item()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On 256 calibration scenes at most."""
        rows = np.arange(min(256, len(self.calibration)))
        tokens = visual_tokens(self.model, pixels(self.calibration, rows))
        loss, right, box = self.head(tokens, self.calibration, rows)
        return {"val_loss": loss.item(), "val_patch_accuracy": right.item(), "val_box_error": box.item()}

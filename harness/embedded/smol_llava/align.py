"""Stage 1: tower and projector learn to say, patch by patch, the word embedding of what is seen."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from harness.embedded.smol_llava.architecture import Parts
from harness.embedded.tiny_llava.cache import BACKGROUND, SceneArrays
from harness.embedded.tiny_llava.vision import pixels


class WordHead(torch.nn.Module):
    """Compares visual tokens with the names' embeddings."""

    targets: torch.Tensor

    def __init__(self, words: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("targets", words, persistent=False)
        self.unit = (words[:-1] - words[-1]).norm(dim=1).mean().item()
        self.background = torch.nn.Parameter(torch.zeros(1, words.shape[1]))
        self.scale = torch.nn.Parameter(torch.tensor(10.0))

    def distance(self, tokens: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Mean squared distance from the words, in units of the names' own spread; background counts .3."""
        weight = torch.where(wanted == BACKGROUND, 0.3, 1.0)
        return (((tokens - self.targets[wanted]) / self.unit).pow(2).sum(-1) * weight).mean()

    def forward(self, tokens: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss (cross-entropy over the names and .3 of the distance), and the correct share on object patches."""
        middle = self.targets[-1]
        codes = torch.cat([F.normalize(self.targets[:-1] - middle, dim=1), self.background])
        offset = (tokens - middle) / self.unit
        logits = offset / (offset.norm(dim=-1, keepdim=True) + 0.3) @ codes.T * self.scale
        weight = torch.ones(BACKGROUND + 1)
        weight[BACKGROUND] = 0.3
        category = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weight=weight)
        seen = wanted < BACKGROUND
        right = (logits.argmax(-1) == wanted)[seen].float().mean()
        return category + 0.3 * self.distance(tokens, wanted), right.detach()


def wanted(arrays: SceneArrays, rows: np.ndarray) -> torch.Tensor:
    """Categories of patches, (b, 64)."""
    return torch.from_numpy(arrays.patch_class[rows]).long()


class AlignObjective:
    """`Objective` of stage 1."""

    name = "align"
    multiple = 8  # pictures alone are cheap

    def __init__(self, parts: Parts, head: WordHead, train: SceneArrays, calibration: SceneArrays) -> None:
        self.parts, self.head, self.train, self.calibration = parts, head, train, calibration
        self.modules = torch.nn.ModuleDict({"tower": parts.tower, "projector": parts.projector, "head": head})

    def groups(self) -> list[dict]:
        """The tower, which has been trained before, moves a little more slowly."""
        rest = [*self.parts.projector.parameters(), *self.head.parameters()]
        return [{"params": list(self.parts.tower.parameters()), "scale": 0.8}, {"params": rest, "scale": 1.0}]

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Patches of one batch."""
        rows = np.sort(rng.integers(len(self.train), size=self.multiple * batch))
        loss, right = self.head(self.parts.see(pixels(self.train, rows)), wanted(self.train, rows))
        return loss, {"patch_accuracy": right.item()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On 256 calibration scenes at most."""
        rows = np.arange(min(256, len(self.calibration)))
        loss, right = self.head(self.parts.see(pixels(self.calibration, rows)), wanted(self.calibration, rows))
        return {"val_loss": loss.item(), "val_patch_accuracy": right.item()}

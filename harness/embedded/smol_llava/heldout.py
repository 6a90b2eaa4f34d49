"""Scenes held out from training: POPE by its official construction, and captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from harness.embedded.scenes import BY_NAME, CALIBRATION, Scene, scene
from harness.embedded.smol_llava.architecture import Parts
from harness.embedded.smol_llava.forward import described, yes_margins
from harness.embedded.smol_llava.packing import Packer
from harness.embedded.tiny_llava.conversations import DETAIL, Turn
from harness.embedded.tiny_llava.scoring import SPLITS, Asked, binary_scores, caption_scores, pope
from harness.models.smol.assemble import MEAN, SIDE, STD

FIRST = 1000
"""Of the calibration seeds: those before it choose nothing here."""
DRAWN = 288
"""Side of the pictures in pixels before they are shrunk, as evaluation pictures are."""
BATCH = 8
LIMIT = 110
"""Longest caption in tokens."""


def shrunk(scenes: Sequence[Scene]) -> torch.Tensor:
    """Pictures as the processor hands them to the model, (n, 3, 96, 96)."""
    small = [np.asarray(s.picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for s in scenes]
    return (torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


class HeldOut:
    """Figures of a model on scenes of its own.

    Args:
        pictures: Number of scenes with three categories or more, six questions each in each split.
        captions: Number of those that are described, too.
    """

    def __init__(self, pictures: int = 50, captions: int = 16) -> None:
        self.scenes = [scene(s, DRAWN, min_objects=3) for s in CALIBRATION[FIRST : FIRST + pictures]]
        self.pictures, self.captions = shrunk(self.scenes), captions
        self.asked = {split: pope(self.scenes, split) for split in SPLITS}

    def figures(self, parts: Parts, packer: Packer) -> dict[str, float]:
        """Accuracy and yes ratio of each split; CHAIR_i, recall, mentions and repetitions of captions."""
        answers = self._answers(parts, packer)
        found: dict[str, float] = {}
        for split, asked in self.asked.items():
            scores = binary_scores(asked, [answers[q.picture, q.category] > 0 for q in asked])
            found |= {f"val_{split}": scores["accuracy"], f"val_{split}_yes": scores["yes_ratio"]}
        texts: list[str] = []
        for k in range(0, self.captions, BATCH):
            texts += described(parts, packer, self.pictures[k : min(k + BATCH, self.captions)], DETAIL[0], LIMIT)
        if texts:
            scores = caption_scores(self.scenes[: len(texts)], texts)
            found |= {f"val_{k}": scores[k] for k in ("chair_i", "recall", "mentions", "repeating")}
            print(f"{', '.join(self.scenes[0].objects)}: {texts[0]}", flush=True)
        return found

    def _answers(self, parts: Parts, packer: Packer) -> dict[tuple[int, str], float]:
        """Margin of Yes by picture and category; each question is asked once, however many splits hold it."""
        every: dict[int, list[Asked]] = {}
        for q in dict.fromkeys(q for asked in self.asked.values() for q in asked):
            every.setdefault(q.picture, []).append(q)
        margins: dict[tuple[int, str], float] = {}
        for k in range(0, len(self.scenes), BATCH):
            rows = range(k, min(k + BATCH, len(self.scenes)))
            turns = [
                [Turn(q.text, "Yes" if q.present else "No", "presence", BY_NAME[q.category].index) for q in every[r]]
                for r in rows
            ]
            packs = [packer.pack(t, 100_000) for t in turns]
            said = yes_margins(parts, packer, self.pictures[rows.start : rows.stop], packs).tolist()
            margins |= {
                (q.picture, q.category): s for q, s in zip([q for r in rows for q in every[r]], said, strict=True)
            }
        return margins

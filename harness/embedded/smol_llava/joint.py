"""Stage 2: low-rank additions, projector and tower learn the conversations through the frozen language model."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from harness.embedded.smol_llava.align import WordHead, wanted
from harness.embedded.smol_llava.architecture import Parts
from harness.embedded.smol_llava.conversations import conversation
from harness.embedded.smol_llava.forward import behind
from harness.embedded.smol_llava.heldout import HeldOut
from harness.embedded.smol_llava.packing import IGNORED, Packer
from harness.embedded.tiny_llava.cache import SceneArrays
from harness.embedded.tiny_llava.vision import pixels

PROBED = 8
"""Layer whose output before the answer the auxiliary presence probe reads; the last one where there are fewer."""
YES_NO, PROBE, WORDS = 2.0, 0.5, 0.1
"""Weight of Yes and No among answer tokens; of the probe; of the distance between patches and words."""


class JointObjective:
    """`Objective` of stage 2."""

    name = "joint"
    multiple = 1

    def __init__(self, parts: Parts, head: WordHead, train: SceneArrays, held_out: HeldOut) -> None:
        self.parts, self.head, self.train, self.held_out = parts, head, train, held_out
        self.packer = Packer(parts.tokenizer)
        language = parts.language[0]
        self.probe = torch.nn.Linear(language.config.hidden_size, 1)
        self.modules = torch.nn.ModuleDict({"parts": parts, "probe": self.probe})
        self.hidden: torch.Tensor | None = None
        language.layers[min(PROBED, len(language.layers) - 1)].register_forward_hook(self._remember)
        self.weights = torch.ones(language.config.vocab_size)
        self.weights[[self.packer.yes, self.packer.no]] = YES_NO

    def _remember(self, _module: torch.nn.Module, _inputs: tuple, output: torch.Tensor | tuple) -> None:
        self.hidden = output[0] if isinstance(output, tuple) else output

    def groups(self) -> list[dict]:
        """What was aligned moves more slowly than what is new."""
        parts = self.parts
        return [
            {"params": list(parts.lora.parameters()), "scale": 1.0, "weight_decay": 0.0},
            {"params": list(parts.projector.parameters()), "scale": 0.5, "weight_decay": 0.02},
            {"params": list(parts.tower.parameters()), "scale": 0.3, "weight_decay": 0.02},
            {"params": list(self.probe.parameters()), "scale": 3.0, "weight_decay": 0.0},
        ]

    def _pack(self, row: int, rng: np.random.Generator) -> dict[str, list[int]]:
        turns = conversation(self.train.instances[row], int(self.train.kind[row]), rng)
        return self.packer.pack(turns)

    def _probed(self, text: dict[str, torch.Tensor]) -> torch.Tensor:
        """Loss of telling presence from the hidden states before the answers."""
        assert self.hidden is not None  # the hook has kept it
        asked = text["probe"] >= 0
        states = self.hidden[:, self.packer.start :][asked].float()
        states = 24 * states / states.norm(dim=1, keepdim=True)
        return F.binary_cross_entropy_with_logits(self.probe(states)[:, 0], text["probe"][asked].float())

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Answer tokens, the presence probe and the words of patches."""
        rows = np.sort(rng.integers(len(self.train), size=batch))
        text = self.packer.batch([self._pack(r, rng) for r in rows])
        tokens = self.parts.see(pixels(self.train, rows))
        states = behind(self.parts, self.packer, tokens, text)
        answered = text["labels"] != IGNORED
        labels = text["labels"][answered]
        logits = (states[:, :-1][answered] @ self.parts.embedding.T).float()
        each, weight = F.cross_entropy(logits, labels, reduction="none"), self.weights[labels]
        answers, probe = (each * weight).sum() / weight.sum(), self._probed(text)
        distance = self.head.distance(tokens, wanted(self.train, rows))
        binary = (labels == self.packer.yes) | (labels == self.packer.no)
        right = (logits.argmax(-1) == labels).float()
        figures = {
            "yes_no_loss": each[binary].mean().item(),
            "yes_no": right[binary].mean().item(),
            "other_loss": each[~binary].mean().item(),
            "probe": probe.item(),
            "words": distance.item(),
        }
        return answers + PROBE * probe + WORDS * distance, figures

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On scenes held out."""
        return self.held_out.figures(self.parts, self.packer)

"""Turns of one scene laid after its picture, none of which sees another: one picture serves many first questions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerFast

from harness.embedded.encoder import Encoder
from harness.embedded.tiny_llava.conversations import Turn
from harness.models.smol.assemble import BOS, EOS, PATCHES

IGNORED = -100
LENGTH = 400
"""Text tokens a picture; turns that do not fit are left out."""


class Packer(Encoder):
    """Token ids by the chat template: `prefix`, the picture, then a turn from position `start` on."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(tokenizer)
        self.prefix = self.encode(f"{BOS}user\n")
        self.tail = self.encode(f"{EOS}\n{BOS}assistant\n")
        self.eos = self.encode(EOS)[0]
        self.yes, self.no = self.encode("Yes")[0], self.encode("No")[0]
        self.start = len(self.prefix) + PATCHES

    def question(self, text: str) -> list[int]:
        """What stands between the picture and the answer."""
        return [*self.encode(f"\n{text}"), *self.tail]

    def pack(self, turns: Sequence[Turn], longest: int = LENGTH) -> dict[str, list[int]]:
        """Lists of one length: `ids`; `labels` (answers only); `turn`; `position`; `probe`, 1 or 0 for present or
        absent at the last token before the answer of presence questions, else -1."""
        out: dict[str, list[int]] = {k: [] for k in ("ids", "labels", "turn", "position", "probe")}
        for n, turn in enumerate(turns):
            question, answer = self.question(turn.question), [*self.encode(turn.answer), self.eos]
            size = len(question) + len(answer)
            if len(out["ids"]) + size > longest:
                continue
            out["ids"] += question + answer
            out["labels"] += [IGNORED] * len(question) + answer
            out["turn"] += [n] * size
            out["position"] += range(self.start, self.start + size)
            asked = int(turn.answer == "Yes") if turn.task == "presence" else -1
            out["probe"] += [-1] * (len(question) - 1) + [asked] + [-1] * len(answer)
        return out

    def batch(self, packs: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """The lists as (b, length) tensors, padded at the end."""
        length = max(len(p["ids"]) for p in packs)
        padding = {"ids": self.eos, "labels": IGNORED, "turn": -1, "position": 0, "probe": -1}
        return {k: torch.tensor([p[k] + [v] * (length - len(p[k])) for p in packs]) for k, v in padding.items()}

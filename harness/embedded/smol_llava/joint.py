"""Stage 2: low-rank additions, projector and tower learn the conversations through the frozen language model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from harness.embedded.encoder import Encoder
from harness.embedded.scenes import CATEGORIES
from harness.embedded.smol_llava import align
from harness.embedded.smol_llava.align import WordHead
from harness.embedded.smol_llava.architecture import Parts
from harness.embedded.smol_llava.conversations import conversation
from harness.embedded.smol_llava.forward import behind
from harness.embedded.smol_llava.heldout import HeldOut
from harness.embedded.smol_llava.packing import IGNORED, Packer
from harness.embedded.tiny_llava.cache import SceneArrays
from harness.embedded.tiny_llava.instruction import Example, Examples, padded
from harness.embedded.tiny_llava.vision import pixels
from harness.models.smol.assemble import IMAGE

PROBED = 8
"""Layer whose output before the answer the auxiliary presence probe reads; the last one where there are fewer."""
CAPTIONS, EXAMPLES = 0.75, 0.15
"""Share of batches in which scenes are described; of those that are examples of other tasks, where there are any."""
HELD_OUT = 40
"""Number of examples that are validated."""
YES_NO, PROBE, WORDS = 2.0, 0.5, 0.1
"""Weight of Yes and No among answer tokens; of the probe; of the distance between patches and words."""
REPEATED = 1.0
"""Weight of naming a category again, which captions never do: -log(1 - p) beside -log p of the right token."""


def first_tokens(encoder: Encoder) -> dict[int, tuple[int, ...]]:
    """The tokens with which a category's name or plural begins inside a sentence, by each of them."""
    found: dict[int, set[int]] = {}
    for category in CATEGORIES:
        begins = {encoder.encode(f" {name}")[0] for name in (category.name, category.plural)}
        for token in begins:
            found.setdefault(token, set()).update(begins)
    return {token: tuple(sorted(begins)) for token, begins in found.items()}


def again(logits: torch.Tensor, text: dict[str, torch.Tensor], names: dict[int, tuple[int, ...]]) -> torch.Tensor:
    """-log(1 - p) of each category that the answer has named before (unlikelihood training, arXiv 1908.04319).

    Args:
        logits: (n, vocabulary) of the n answer tokens, row after row.
        text: Of `Packer.batch`.
        names: Of `first_tokens`.

    Returns:
        (m,), a value for each answer token and each token that would name a category again; m may be 0.
    """
    rows: list[int] = []
    tokens: list[int] = []
    n = 0
    for labels, turns in zip(text["labels"].tolist(), text["turn"].tolist(), strict=True):
        turn, named = None, set()
        for label, of in zip(labels, turns, strict=True):
            if label == IGNORED:
                continue
            if of != turn:
                turn, named = of, set()
            rows += [n] * len(named - {label})
            tokens += named - {label}
            named.update(names.get(label, ()))
            n += 1
    p = (logits[rows, tokens] - logits.logsumexp(-1)[rows]).exp()
    return -torch.log1p(-p.clamp(max=1 - 1e-6))


class JointObjective:
    """`Objective` of stage 2."""

    name = "joint"
    multiple = 1

    def __init__(
        self, parts: Parts, head: WordHead, train: SceneArrays, held_out: HeldOut, examples: Examples | None = None
    ) -> None:
        self.parts, self.head, self.train, self.held_out, self.examples = parts, head, train, held_out, examples
        self.packer = Packer(parts.tokenizer)
        language = parts.language[0]
        self.probe = torch.nn.Linear(language.config.hidden_size, 1)
        self.modules = torch.nn.ModuleDict({"parts": parts, "probe": self.probe})
        self.hidden: torch.Tensor | None = None
        language.layers[min(PROBED, len(language.layers) - 1)].register_forward_hook(self._remember)
        self.weights = torch.ones(language.config.vocab_size)
        self.weights[[self.packer.yes, self.packer.no]] = YES_NO
        self.names = first_tokens(self.packer)

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

    def _pack(self, row: int, rng: np.random.Generator, captions: float) -> dict[str, list[int]]:
        turns = conversation(self.train.instances[row], int(self.train.kind[row]), rng, captions=captions)
        return self.packer.pack(turns)

    def _probed(self, text: dict[str, torch.Tensor]) -> torch.Tensor:
        """Loss of telling presence from the hidden states before the answers."""
        assert self.hidden is not None  # the hook has kept it
        asked = text["probe"] >= 0
        states = self.hidden[:, self.packer.start :][asked].float()
        states = 24 * states / states.norm(dim=1, keepdim=True)
        return F.binary_cross_entropy_with_logits(self.probe(states)[:, 0], text["probe"][asked].float())

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Of scenes: answer tokens, the presence probe and the words of patches. Now and then of examples instead."""
        if self.examples is not None and rng.random() < EXAMPLES:
            loss = self._examples(self.examples.draw(rng, batch)).mean()
            return loss, {"examples": loss.item()}
        captions = float(rng.random() < CAPTIONS)  # in all or in none, so that little of a batch is padding
        rows = np.sort(rng.integers(len(self.train), size=batch))
        text = self.packer.batch([self._pack(r, rng, captions) for r in rows])
        tokens = self.parts.see(pixels(self.train, rows))
        states = behind(self.parts, self.packer, tokens, text)
        answered = text["labels"] != IGNORED
        labels = text["labels"][answered]
        logits = (states[:, :-1][answered] @ self.parts.embedding.T).float()
        each, weight = F.cross_entropy(logits, labels, reduction="none"), self.weights[labels]
        repeated = again(logits, text, self.names).sum()
        answers, probe = ((each * weight).sum() + REPEATED * repeated) / weight.sum(), self._probed(text)
        distance = self.head.distance(tokens, align.wanted(self.train, rows))
        binary = labels.eq(self.packer.yes) | labels.eq(self.packer.no)
        right = (logits.argmax(-1) == labels).float()
        figures = {
            "yes_no_loss": each[binary].mean().item(),
            "yes_no": right[binary].mean().item(),
            "other_loss": each[~binary].mean().item(),
            "repeated": repeated.item() / batch,
            "probe": probe.item(),
            "words": distance.item(),
        }
        return answers + PROBE * probe + WORDS * distance, figures

    def _examples(self, chosen: list[Example]) -> torch.Tensor:
        """Loss of each answer token."""
        language, eos = self.parts.language[0], self.packer.eos
        ids, labels = padded(chosen, eos)
        states = language.embed_tokens(ids)
        if rows := [p for e in chosen for p in e.pictures]:
            assert self.examples is not None
            image: Any = self.parts.tokenizer.convert_tokens_to_ids(IMAGE)
            tokens = self.parts.see(self.examples.pixels(rows)).to(states.dtype)
            states = states.masked_scatter(ids.eq(image)[..., None], tokens)
        hidden = language(inputs_embeds=states, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        answered = wanted.ne(IGNORED)
        logits = (hidden[answered] @ self.parts.embedding.T).float()
        return F.cross_entropy(logits, wanted[answered], reduction="none")

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On scenes held out, and the mean loss of an answer token of examples held out, by task."""
        figures = self.held_out.figures(self.parts, self.packer)
        losses: dict[str, list[float]] = {}
        held = self.examples.held_out if self.examples else []
        for n in held[:: max(1, len(held) // HELD_OUT)]:
            assert self.examples is not None
            item = self.examples.items[n]
            losses.setdefault(item.kind.split()[0], []).append(self._examples([item]).mean().item())
        return figures | {f"val_{task}": float(np.mean(v)) for task, v in losses.items()}

"""Stage 3: scenes continue, and examples of the harness's other tasks are learnt beside them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerFast

from harness.embedded.tiny_llava.architecture import visual_tokens
from harness.embedded.tiny_llava.cache import PATCHES
from harness.embedded.tiny_llava.joint import IGNORED, JointObjective
from harness.embedded.tiny_llava.tokenizer import IMAGE, PAD
from harness.embedded.tiny_llava.vision import MEAN, STD

LONGEST = 640
"""Tokens with pictures; longer examples are left out."""
NEIGHBOURS = 48
"""A batch is drawn among so many examples of like length, so that little of it is padding."""
HELD_OUT = 20
"""One example in so many is for validation."""


@dataclass(frozen=True)
class Example:
    """`ids` with every picture as PATCHES image tokens; `answer` is where the labels begin; `pictures` are rows."""

    ids: np.ndarray
    answer: int
    pictures: tuple[int, ...]
    kind: str


class Examples:
    """The folders that `python -m harness.embedded.examples` wrote, longest examples left out.

    Args:
        directory: Of the folders, one a task.
        tokenizer: Of the model that the prompts were written for.
        lead: What stands between a prompt and its answer.
        longest: In tokens with pictures.
    """

    def __init__(
        self, directory: Path, tokenizer: PreTrainedTokenizerFast, lead: str = " ", longest: int = LONGEST
    ) -> None:
        image, end = tokenizer.convert_tokens_to_ids("<image>"), tokenizer.eos_token_id
        self.items: list[Example] = []
        stored: list[np.ndarray] = []
        first = 0
        for file in sorted(directory.glob("*/examples.jsonl")):
            stored.append(np.load(file.with_name("pictures.npy"), mmap_mode="r"))
            for line in filter(None, file.read_text().split("\n")):
                row = json.loads(line)
                prompt = tokenizer.encode(row["prompt"], add_special_tokens=False)
                ids = [t for i in prompt for t in ([image] * PATCHES if i == image else [i])]
                answer = tokenizer.encode(lead + row["answer"], add_special_tokens=False)
                if len(ids) + len(answer) < longest:
                    pictures = tuple(first + p for p in row["pictures"])
                    self.items.append(Example(np.array([*ids, *answer, end]), len(ids), pictures, row["kind"]))
            first += len(stored[-1])
        if not self.items:
            raise FileNotFoundError(
                f"{directory} holds no examples: python -m harness.embedded.examples TASK --out {directory}/TASK"
            )
        self.items.sort(key=lambda e: len(e.ids))
        self._stored = stored
        self._starts = np.cumsum([0, *(len(s) for s in stored)])
        self.held_out = list(range(0, len(self.items), HELD_OUT))
        self.training = [i for i in range(len(self.items)) if i % HELD_OUT]

    def draw(self, rng: np.random.Generator, batch: int) -> list[Example]:
        """Different training examples of like length."""
        start = rng.integers(max(1, len(self.training) - NEIGHBOURS))
        chosen = rng.permutation(self.training[start : start + NEIGHBOURS])[:batch]
        return [self.items[i] for i in chosen]

    def pixels(self, rows: list[int]) -> torch.Tensor:
        """Normalised pictures (n, 3, 96, 96)."""
        parts = []
        for r in rows:
            part = int(np.searchsorted(self._starts, r, "right")) - 1
            parts.append(self._stored[part][r - self._starts[part]])
        return (torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def padded(chosen: list[Example], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels (answers only), padded at the end: a causal decoder never sees it."""
    length = max(len(e.ids) for e in chosen)
    ids = torch.full((len(chosen), length), pad)
    labels = torch.full((len(chosen), length), IGNORED)
    for row, e in enumerate(chosen):
        ids[row, : len(e.ids)] = torch.from_numpy(e.ids)
        labels[row, e.answer : len(e.ids)] = ids[row, e.answer : len(e.ids)]
    return ids, labels


class InstructionObjective:
    """`Objective` of stage 3: the joint loss on scenes plus the answers of examples."""

    name = "instruction"
    multiple = 1

    def __init__(self, joint: JointObjective, examples: Examples):
        self.joint, self.examples = joint, examples
        self.modules = joint.modules

    def groups(self) -> list[dict]:
        return self.joint.groups()

    def _answers(self, chosen: list[Example]) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
        """Logits at answer tokens, their labels, and of which example they are."""
        ids, labels = padded(chosen, PAD)
        inner = self.joint.model.model
        embed = inner.language_model.embed_tokens
        states = embed(ids)
        rows = [p for e in chosen for p in e.pictures]
        if rows:
            tokens = visual_tokens(self.joint.model, self.examples.pixels(rows))
            states = states.masked_scatter((ids == IMAGE)[..., None], tokens)
        hidden = inner.language_model(inputs_embeds=states, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        answered = wanted != IGNORED
        kinds = [chosen[r].kind for r in answered.nonzero()[:, 0].tolist()]
        return hidden[answered] @ embed.weight.T, wanted[answered], kinds

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Half of the batch are scenes, half examples."""
        scenes, figures = self.joint.loss(rng, batch - batch // 2)
        logits, labels, _ = self._answers(self.examples.draw(rng, max(1, batch // 2)))
        answers = F.cross_entropy(logits, labels)
        return scenes + answers, {**figures, "examples": answers.item()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Scenes as in stage 2; the mean loss of an answer token, over tasks, on examples held out."""
        losses: dict[str, list[float]] = {}
        held = [self.examples.items[i] for i in self.examples.held_out[:400]]
        for k in range(0, len(held), 8):
            logits, labels, kinds = self._answers(held[k : k + 8])
            for value, kind in zip(F.cross_entropy(logits, labels, reduction="none").tolist(), kinds, strict=True):
                losses.setdefault(kind.split()[0], []).append(value)
        means = {f"val_{task}": float(np.mean(v)) for task, v in losses.items()}
        figures = self.joint.validate()
        return {**figures, **means, "val_loss": figures["val_loss"] + float(np.mean(list(means.values())))}

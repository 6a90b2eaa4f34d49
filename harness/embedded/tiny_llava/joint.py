"""Stage 2: the whole model learns the conversations."""

import numpy as np
import torch
import torch.nn.functional as F
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from harness.embedded.encoder import Encoder
from harness.embedded.scenes import CATEGORIES
from harness.embedded.tiny_llava.architecture import PROBED_LAYER, visual_tokens
from harness.embedded.tiny_llava.cache import PATCHES, SceneArrays
from harness.embedded.tiny_llava.conversations import Turn, conversation
from harness.embedded.tiny_llava.tokenizer import BOS, EOS, PAD, lead_token
from harness.embedded.tiny_llava.vision import PatchHead, pixels

IGNORED = -100
LENGTH = 240
"""Text tokens a picture; turns that do not fit are left out."""


class Packer(Encoder):
    """Lays the turns of one scene after the picture.

    In three of four scenes the turns do not see one another: each is a first turn at the positions it has in use,
    at the price of one picture for ten questions, and no answer can be copied from an earlier one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(tokenizer)
        self.leads = {lead_token(tokenizer, c.name): c.index for c in CATEGORIES}
        self.prefix = [BOS, *self.encode("USER: ")]
        self.start = len(self.prefix) + PATCHES

    def pack(self, turns: list[Turn], apart: bool) -> dict[str, np.ndarray]:
        """Arrays of LENGTH: `ids`; `labels` (answers only); `probe`, 1 or 0 for present or absent at the object's
        token of presence questions, else -1; `turn`, -1 for padding; `position`."""
        out = {k: np.full(LENGTH, v) for k, v in (("ids", PAD), ("labels", IGNORED), ("probe", -1), ("turn", -1))}
        out["position"] = np.zeros(LENGTH, int)
        used = 0
        for n, turn in enumerate(turns):
            first = apart or used == 0
            question = self.encode(("\n" if first else "USER: ") + turn.question + " ASSISTANT:")
            answer = [*self.encode(" " + turn.answer), EOS]
            size = len(question) + len(answer)
            if used + size > LENGTH:
                continue
            middle, end = used + len(question), used + size
            out["ids"][used:end] = question + answer
            out["labels"][middle:end] = answer
            if turn.task == "presence":
                where = next(k for k, t in enumerate(question) if t in self.leads)
                out["probe"][used + where] = int(turn.answer == "Yes")
            out["turn"][used:end] = n if apart else 0
            out["position"][used:end] = self.start + np.arange(size) + (0 if apart else used)
            used = end
        return out


class JointObjective:
    """`Objective` of stage 2."""

    name = "joint"
    multiple = 1

    def __init__(
        self,
        model: LlavaForConditionalGeneration,
        head: PatchHead,
        tokenizer: PreTrainedTokenizerFast,
        train: SceneArrays,
        calibration: SceneArrays,
    ) -> None:
        self.model, self.head, self.train, self.calibration = model, head, train, calibration
        self.packer = Packer(tokenizer)
        self.yes, self.no = (self.packer.encode(" " + a)[-1] for a in ("Yes", "No"))
        language = model.model.language_model
        self.probe = torch.nn.Linear(language.config.hidden_size, 1)
        self.modules = torch.nn.ModuleDict({"model": model, "patch_head": head, "probe": self.probe})
        self.hidden: torch.Tensor | None = None
        language.layers[PROBED_LAYER].register_forward_hook(self._remember)
        # Answer tokens that carry the most, or that are rare among caption tokens, count more.
        self.weights = torch.ones(language.config.vocab_size)
        self.weights[[self.yes, self.no]] = 4.0
        self.weights[[self.packer.encode(str(d))[0] for d in range(1, 10)]] = 2.0
        self.weights[[self.packer.encode(f"{d:02d}")[0] for d in range(100)]] = 2.0

    def _remember(self, _module: torch.nn.Module, _inputs: tuple, output: torch.Tensor | tuple) -> None:
        self.hidden = output[0] if isinstance(output, tuple) else output

    def groups(self) -> list[dict]:
        """The pre-trained tower moves more slowly than the decoder."""
        inner = self.model.model
        tower = list(inner.vision_tower.parameters())
        seen = {id(p) for p in tower}
        rest = [p for p in self.modules.parameters() if id(p) not in seen]
        return [{"params": tower, "scale": 0.4}, {"params": rest, "scale": 1.0}]

    def _forward(
        self, arrays: SceneArrays, rows: np.ndarray, rng: np.random.Generator, apart: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Visual tokens, logits at answers, their labels, and the presence probe's loss."""
        packs = []
        for row, alone in zip(rows, apart, strict=True):
            turns = conversation(arrays.instances[row], int(arrays.kind[row]), rng)
            packs.append(self.packer.pack(turns, bool(alone)))
        text = {k: torch.from_numpy(np.stack([p[k] for p in packs])) for k in packs[0]}
        used = int((text["turn"] >= 0).sum(1).max())
        text = {k: v[:, :used] for k, v in text.items()}
        inner, start, batch = self.model.model, self.packer.start, len(rows)
        embed = inner.language_model.embed_tokens
        tokens = visual_tokens(self.model, pixels(arrays, rows))
        prefix = embed(torch.tensor(self.packer.prefix).expand(batch, -1))
        states = torch.cat([prefix, tokens, embed(text["ids"])], 1)
        position = torch.cat([torch.arange(start).expand(batch, -1), text["position"]], 1)
        total = start + used
        turn = torch.cat([torch.full((batch, start), -2), text["turn"]], 1)
        same = (turn[:, :, None] == turn[:, None, :]) | (turn[:, None, :] == -2)
        mask = (same & torch.ones(total, total, dtype=torch.bool).tril())[:, None]
        hidden = inner.language_model(
            inputs_embeds=states, attention_mask=mask, position_ids=position, use_cache=False
        ).last_hidden_state[:, start - 1 : -1]
        asked = text["probe"] >= 0
        assert self.hidden is not None  # the hook has kept it
        scores = self.probe(self.hidden[:, start:][asked])[:, 0]
        probe = F.binary_cross_entropy_with_logits(scores, text["probe"][asked].float())
        answered = text["labels"] != IGNORED
        return tokens, hidden[answered] @ embed.weight.T, text["labels"][answered], probe

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Answer tokens + 0.5 presence probe + 0.3 patches (dense supervision keeps the tower improving)."""
        rows = np.sort(rng.integers(len(self.train), size=batch))
        tokens, logits, labels, probe = self._forward(self.train, rows, rng, rng.random(batch) < 0.75)
        each = F.cross_entropy(logits, labels, reduction="none")
        weight = self.weights[labels]
        answers = (each * weight).sum() / weight.sum()
        patches, right, _ = self.head(tokens, self.train, rows)
        binary = (labels == self.yes) | (labels == self.no)
        correct = (logits.argmax(-1) == labels)[binary].float().mean().item()
        figures = {"answers": answers.item(), "probe": probe.item(), "yes_no": correct, "patch_accuracy": right.item()}
        return answers + 0.5 * probe + 0.3 * patches, figures

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On 160 calibration scenes at most, every turn apart."""
        rng, size = np.random.default_rng(0), min(160, len(self.calibration))
        losses, right, said, patch = [], [], [], []
        for rows in np.array_split(np.arange(size), max(1, size // 32)):
            tokens, logits, labels, _ = self._forward(self.calibration, rows, rng, np.ones(len(rows), bool))
            losses.append(F.cross_entropy(logits, labels).item())
            binary = (labels == self.yes) | (labels == self.no)
            right.append((logits.argmax(-1) == labels)[binary].float())
            said.append((logits.argmax(-1) == self.yes)[binary].float())
            patch.append(self.head(tokens, self.calibration, rows)[1].item())
        return {
            "val_loss": float(np.mean(losses)),
            "val_yes_no": torch.cat(right).mean().item(),
            "val_yes_ratio": torch.cat(said).mean().item(),
            "val_patch_accuracy": float(np.mean(patch)),
        }

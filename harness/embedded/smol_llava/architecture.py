"""The model in training: stock parts, the language model frozen in bfloat16, low-rank additions beside it."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import LlavaForConditionalGeneration

from harness.embedded.scenes import NAMES
from harness.embedded.smol_llava import attention
from harness.embedded.tiny_llava import WEIGHTS as TINY
from harness.models.smol.assemble import ADAPTED, SCALE, assemble, tokenizer

RANK = 16
VISION = {"hidden_size": 160, "intermediate_size": 480, "num_hidden_layers": 3, "num_attention_heads": 5}
"""tiny-llava's tower, from which this one starts."""


class Lora(torch.nn.Module):
    """A frozen linear layer with a trained addition of low rank, zero at first."""

    def __init__(self, base: torch.nn.Linear, rank: int) -> None:
        super().__init__()
        self.A = torch.nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.B = torch.nn.Parameter(torch.zeros(base.out_features, rank))
        self.base = [base]  # in a list: it is neither trained nor saved

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = F.linear(F.linear(x, self.A.to(x.dtype)), self.B.to(x.dtype))
        return F.linear(x, self.base[0].weight) + SCALE * low


class Parts(torch.nn.Module):
    """What is trained, under the names of the delta.

    Args:
        base: The language model's folder.
        vision: Sizes of the tower; at `VISION` it starts from tiny-llava's weights.
        rank: Of the additions.
        dtype: Of the frozen language model.
    """

    def __init__(self, base: Path, vision: dict[str, int], rank: int = RANK, dtype: torch.dtype = torch.bfloat16):
        super().__init__()
        self.tokenizer, self.vision = tokenizer(base), vision
        model = assemble(base, {}, vision).requires_grad_(False)
        inner = model.model
        attention.use(inner.language_model)
        self.language = [inner.language_model.to(dtype)]  # in a list: it is neither trained nor saved
        self.tower, self.projector = inner.vision_tower, inner.multi_modal_projector
        if vision == VISION:
            seen = LlavaForConditionalGeneration.from_pretrained(TINY, dtype=torch.float32).model.vision_tower
            self.tower.load_state_dict(seen.state_dict())
        self.tower.requires_grad_(True)
        self.projector.requires_grad_(True)
        self.lora = torch.nn.ModuleDict()
        for i, layer in enumerate(inner.language_model.layers):
            own = {}
            for name in ADAPTED:
                own[name] = Lora(getattr(layer.self_attn, name), rank)
                setattr(layer.self_attn, name, own[name])
            self.lora[str(i)] = torch.nn.ModuleDict(own)

    @property
    def embedding(self) -> torch.Tensor:
        """(vocabulary, width), frozen: what words go in as and come out by."""
        return self.language[0].embed_tokens.weight

    def words(self) -> torch.Tensor:
        """(68, width) float32: the mean input embedding of each name's tokens, then the mean of all names, which
        stands for background."""
        every = [self.tokenizer.encode(f" {n}", add_special_tokens=False) for n in NAMES]
        codes = torch.stack([self.embedding[ids].float().mean(0) for ids in every])
        return torch.cat([codes, codes.mean(0, keepdim=True)])

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """Visual tokens (b, 64, width) of normalised pictures (b, 3, 96, 96), as the stock forward makes them."""
        return self.projector(self.tower(pixels).last_hidden_state[:, 1:])

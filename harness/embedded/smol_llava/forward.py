"""Passes through the model as it is trained: many turns after one picture, and greedy captions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from harness.embedded.smol_llava.architecture import Parts
from harness.embedded.smol_llava.attention import MASKED
from harness.embedded.smol_llava.packing import Packer
from harness.steering.compat import with_cache


def behind(parts: Parts, packer: Packer, tokens: torch.Tensor, text: dict[str, torch.Tensor]) -> torch.Tensor:
    """Last hidden states of turns that see the picture and themselves alone.

    Args:
        parts: The model.
        packer: That made `text`.
        tokens: Visual tokens (b, 64, width).
        text: Of `Packer.batch`, (b, u) each.

    Returns:
        (b, u + 1, width): from the picture's last token on, so that state k predicts token k of the text.
    """
    language = parts.language[0]
    batch, start, used = len(tokens), packer.start, text["ids"].shape[1]
    embed = language.embed_tokens
    prefix = embed(torch.tensor(packer.prefix).expand(batch, -1))
    states = torch.cat([prefix, tokens.to(prefix.dtype), embed(text["ids"])], 1)
    position = torch.cat([torch.arange(start).expand(batch, -1), text["position"]], 1)
    turn = torch.cat([torch.full((batch, start), -2), text["turn"]], 1)
    same = (turn[:, :, None] == turn[:, None, :]) | (turn[:, None, :] == -2)
    seen = same & torch.ones(start + used, start + used, dtype=torch.bool).tril()
    mask = torch.where(seen, 0.0, MASKED).to(states.dtype)[:, None]
    out = language(inputs_embeds=states, attention_mask=mask, position_ids=position, use_cache=False)
    return out.last_hidden_state[:, start - 1 :]


def yes_margins(
    parts: Parts, packer: Packer, pictures: torch.Tensor, packs: Sequence[dict[str, list[int]]]
) -> torch.Tensor:
    """How much more likely Yes is than No, for every presence question in turn."""
    text = packer.batch(packs)
    states = behind(parts, packer, parts.see(pictures), text)[:, 1:]
    chosen = parts.embedding[[packer.yes, packer.no]]
    logits = (states[text["probe"] >= 0] @ chosen.T).float()
    return logits[:, 0] - logits[:, 1]


def described(parts: Parts, packer: Packer, pictures: torch.Tensor, prompt: str, limit: int) -> list[str]:
    """Greedy answers to one prompt about several pictures.

    Args:
        parts: The model.
        packer: Its token ids.
        pictures: Normalised, (b, 3, 96, 96).
        prompt: The same for all.
        limit: Longest answer in tokens.
    """
    language, batch = parts.language[0], len(pictures)
    embed = language.embed_tokens
    first, last = (embed(torch.tensor(ids).expand(batch, -1)) for ids in (packer.prefix, packer.question(prompt)))
    states = torch.cat([first, parts.see(pictures).to(first.dtype), last], 1)
    cache = DynamicCache(config=language.config)
    said: list[list[int]] = [[] for _ in range(batch)]
    ended = torch.zeros(batch, dtype=torch.bool)
    for _ in range(limit):
        out = language(inputs_embeds=states, use_cache=True, **with_cache(cache)).last_hidden_state[:, -1]
        new = (out @ parts.embedding.T).float().argmax(1)
        ended |= new == packer.eos
        if ended.all():
            break
        for b in (~ended).nonzero()[:, 0].tolist():
            said[b].append(int(new[b]))
        states = embed(new)[:, None]
    return [str(packer.tokenizer.decode(ids)) for ids in said]

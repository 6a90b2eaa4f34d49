"""The decoding loop of one sample in the hands of a method: rows are what it makes of them (beams, candidates)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from harness.steering.batch import Batch
from harness.steering.carried import Carried
from harness.steering.compat import with_cache
from harness.steering.finite import finite, require_sound
from harness.steering.inputs import collate


class Loop:
    """Steps through the model with a cache that can be forked, reordered and cut. One row at first.

    `begun`: what the prompt begins with, if that has been read.
    """

    def __init__(self, batch: Batch, max_new_tokens: int, begun: Carried | None = None):
        self.batch, self.view, self.max_new_tokens, self.begun = batch, batch.view, max_new_tokens, begun
        self.eos = frozenset(batch.view.eos)
        self._cache = DynamicCache()
        self._tokens = torch.empty(1, 0, dtype=torch.long, device=batch.view.device)
        """The new tokens that the cache holds [rows, fed]."""

    @property
    def fed(self) -> int:
        """New tokens in the cache."""
        return self._tokens.shape[1]

    def start(self) -> Tensor:
        """Read the prompt: logits of the first new token, float32 [1, V]."""
        view, self._tokens = self.view, self._tokens[:1, :0]
        if self.begun:
            tokens = self.batch.samples[0].tensors["input_ids"].to(view.device)
            self._cache = self.begun.cache(view, len(self.begun.tokens))
            self.batch.length, self.batch.shows = tokens.shape[1], False
            return self._more(tokens[:, len(self.begun.tokens) :])
        self._cache = DynamicCache(config=view.decoder.config)
        rows = self.batch.inputs
        tensors = collate(rows, pad=view.pad, cuts=[0], pictures=True, device=view.device, dtype=view.dtype)
        self.batch.length = tensors["input_ids"].shape[1]
        self.batch.shows = "pixel_values" in tensors
        model = view.model if not view.needs_picture or "pixel_values" in tensors else view.text_model
        return self._forward(model, tensors)

    def feed(self, tokens: Tensor) -> Tensor:
        """Feed tokens [r, t] after what the rows hold: logits of the next token, float32 [r, V]."""
        self._tokens = torch.cat([self._tokens, tokens], 1)
        return self._more(tokens)

    def _more(self, tokens: Tensor) -> Tensor:
        rows, count = tokens.shape
        length = self._cache.get_seq_length() + count
        mask = torch.ones(rows, length, dtype=torch.long, device=tokens.device)
        model = self.view.model if not self.view.needs_picture else self.view.text_model
        tensors = {"input_ids": tokens, "attention_mask": mask}
        if (delta := self.view.rope_deltas) is not None:  # M-RoPE models would count positions from the mask
            columns = torch.arange(length - count, length, device=tokens.device)
            tensors["position_ids"] = (columns + delta[:1].to(tokens.device)).expand(3, rows, count)
        return self._forward(model, tensors)

    def fork(self, times: int) -> None:
        """Each row `times` times, side by side."""
        self._cache.batch_repeat_interleave(times)
        self._tokens = self._tokens.repeat_interleave(times, 0)

    def select(self, rows: Sequence[int] | Tensor) -> None:
        """Keep these rows of the cache, in this order."""
        places = torch.as_tensor(rows, device=self.view.device)
        self._cache.batch_select_indices(places)
        self._tokens = self._tokens[places]

    def cut(self, tokens: int) -> None:
        """Keep the prompt and the first `tokens` new tokens.

        Layers with a sliding window forget what has left it: there the rows are read again.
        """
        kept, surplus = self._tokens[:, :tokens], self.fed - tokens
        if surplus <= 0:
            return
        if self.view.window is None or self._cache.get_seq_length() < self.view.window:
            self._cache.crop(-surplus)
            self._tokens = kept
            return
        self.start()
        self.select([0] * len(kept))
        if tokens:
            self.feed(kept)

    def _forward(self, model: torch.nn.Module, tensors: dict[str, Tensor]) -> Tensor:
        rows, tokens = tensors["input_ids"].shape
        self.batch.guard.expected = self._cache.get_seq_length() + tokens
        out = model(**tensors, **with_cache(self._cache), use_cache=True)
        self.batch.step += 1
        self.view.work.add(rows, tokens, 1)
        logits = out.logits[:, -1].float()
        require_sound(finite(logits), self.view.dtype, self.batch.methods)
        return logits

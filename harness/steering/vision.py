"""The vision tower layer by layer, for methods that look at its attention or drop its patches.

Covers models whose image tokens are the patches of a CLIP tower with a class token, one to one: LLaVA-1.5 and its kind.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.steering.guard import broken
from harness.steering.view import View

_VERIFIED: WeakSet[nn.Module] = WeakSet()
"""Towers whose own states the walk has been compared with."""


@dataclass(frozen=True)
class Layer:
    """One encoder layer, the class token at 0: attention [b, H, n, n] after softmax, values [b, H, n, d]."""

    index: int
    attention: Tensor
    values: Tensor


class Tower:
    """The tower of a model. Raises UsageError, naming the method, where the model has none of this kind."""

    module: Any
    inner: Any

    def __init__(self, view: View, method: str):
        config = view.model.config
        tower = getattr(view.model.base_model, "vision_tower", None)
        inner = getattr(tower, "vision_model", tower)
        embeddings = getattr(inner, "embeddings", None)
        if (
            config.model_type not in ("llava", "vipllava")
            or not hasattr(embeddings, "class_embedding")
            or config.vision_feature_select_strategy != "default"
            or not isinstance(config.vision_feature_layer, int)
        ):
            raise UsageError(
                f"method={method} reads the class token of a CLIP tower whose patches are the image tokens, as in "
                f"LLaVA-1.5: {type(view.model).__name__} has no such tower"
            )
        assert tower is not None and inner is not None
        self.module, self.inner = tower, inner
        depth = len(inner.encoder.layers)
        at = config.vision_feature_layer
        self.used: int = depth + 1 + at if at < 0 else at
        """Layers up to the one whose output the connector reads."""
        self.depth: int = depth

    def walk(self, pixels: Tensor, layers: int | None = None) -> Generator[Layer, Tensor | None, Tensor]:
        """Yields each layer of the pass over `pixels` [b, 3, H, W]; send the positions to keep [b, m], or nothing.

        Returns the states [b, n, d] after the last layer (`layers`, or the one that the connector reads).
        """
        self._verify(pixels)
        return (yield from self._layers(pixels, self.used if layers is None else layers))

    def _verify(self, pixels: Tensor) -> None:
        """The walk is arithmetic of ours: compare it once with the tower's own states. Raises BrokenPromise."""
        if self.module in _VERIFIED:
            return
        one = pixels[:1]
        with torch.no_grad():
            own = self.module.forward(one.to(self.module.dtype), output_hidden_states=True).hidden_states[self.used]
            walk = self._layers(one, self.used)
            try:
                while True:
                    next(walk)
            except StopIteration as end:
                error = (end.value - own).abs().max() / own.abs().max()
        if not error < (1e-3 if own.dtype == torch.float32 else 5e-2):
            raise broken(f"the vision tower computes something other than its layers in turn (by {float(error):.1e})")
        _VERIFIED.add(self.module)

    def _layers(self, pixels: Tensor, count: int) -> Generator[Layer, Tensor | None, Tensor]:
        inner = self.inner
        x = inner.pre_layrnorm(inner.embeddings(pixels.to(inner.embeddings.class_embedding.dtype)))
        for index, layer in enumerate(inner.encoder.layers[:count]):
            attention = layer.self_attn
            given = layer.layer_norm1(x)
            q, k, v = (
                p(given).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
                for p in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            weights = (q @ k.transpose(2, 3) * attention.scale).softmax(-1)
            x = x + attention.out_proj((weights @ v).transpose(1, 2).flatten(2))
            x = x + layer.mlp(layer.layer_norm2(x))
            keep = yield Layer(index, weights, v)
            if keep is not None:
                x = x.gather(1, keep[..., None].expand(-1, -1, x.shape[-1]))
        return x

    def attentions(self, pixels: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        """Attention of the class token to the patches, [b, H, N], in the layers `wanted` (negative: from the end)."""
        numbers = [w % self.depth for w in wanted]
        found: dict[int, Tensor] = {}
        with torch.no_grad():
            for layer in self.walk(pixels, max(numbers) + 1):
                if layer.index in numbers:
                    found[layer.index] = layer.attention[:, :, 0, 1:]
        return [found[n] for n in numbers]

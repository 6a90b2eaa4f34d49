"""The network around a mixer: what goes in, a short convolution, blocks of (norm, mixer, residual), and what comes out.

Its parts have the names of transformers' models, so that steering finds them: `layers`, `self_attn`, `norm`, `o_proj`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from harness.zoo.attention import Attention
from harness.zoo.mixer import Mixer, make


@dataclass(frozen=True)
class Shape:
    """What a network is made of. Everything here is stored beside its weights.

    Args:
        mixers: Name and options of the mixer of each block.
        width: D.
        symbols, vectors: How many symbols there are, or the width of the vectors that come in; one of them is 0.
        classes: How many symbols are predicted; 0: a number.
        short: A gated short convolution before the first block (Zoology, BASED).
        norm: RMSNorm before each mixer and at the end.
        residual: Whether a block adds to what it reads.
        inner: Width of an MLP after each mixer, as a multiple of the width; 0: none.
        hidden: Hidden ReLU layers of the head; 0: it is linear.
    """

    mixers: tuple[tuple[str, dict[str, Any]], ...]
    width: int = 64
    symbols: int = 0
    vectors: int = 0
    classes: int = 0
    short: bool = True
    norm: bool = True
    residual: bool = True
    inner: int = 0
    hidden: int = 0

    def facts(self) -> dict[str, Any]:
        """As JSON, to be stored beside the weights."""
        return asdict(self)


class Short(nn.Module):
    """Gated short convolution of BASED (arXiv 2402.18668): conv3(u) * W u + u over the last three positions."""

    TAPS = 3

    def __init__(self, width: int):
        super().__init__()
        self.taps = nn.Parameter(torch.randn(self.TAPS, width) * self.TAPS**-0.5)
        self.gate = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once: [B, T, D] -> [B, T, D]."""
        past = nn.functional.pad(x, (0, 0, self.TAPS - 1, 0))
        mixed = sum(past[:, i : i + x.shape[1]] * self.taps[i] for i in range(self.TAPS))
        return mixed * self.gate(x) + x

    def start(self, batch: int) -> Tensor:
        """The two positions before the first, [B, TAPS - 1, D] of zeros."""
        return self.taps.new_zeros(batch, self.TAPS - 1, self.taps.shape[1])

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One position [B, D], and the state after it."""
        seen = torch.cat([state, x[:, None]], 1)
        return (seen * self.taps).sum(1) * self.gate(x) + x, seen[:, 1:]


class Block(nn.Module):
    """x + mixer(norm(x)), and the same with an MLP where there is one. Attention is called `self_attn`."""

    def __init__(self, mixer: Mixer, shape: Shape):
        super().__init__()
        self.name = "self_attn" if isinstance(mixer, Attention) else "mixer"
        self.add_module(self.name, mixer)
        self.residual = shape.residual
        self.input_layernorm = nn.RMSNorm(shape.width) if shape.norm else nn.Identity()
        if shape.inner:
            self.post_attention_layernorm = nn.RMSNorm(shape.width) if shape.norm else nn.Identity()
            wide = shape.width * shape.inner
            self.mlp = nn.Sequential(nn.Linear(shape.width, wide), nn.GELU(), nn.Linear(wide, shape.width))

    @property
    def inside(self) -> Mixer:
        """The block's mixer."""
        return getattr(self, self.name)

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once: [B, T, D] -> [B, T, D]."""
        return self._rest(x, self.inside(self.input_layernorm(x)))

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One position [B, D], and the mixer's state after it."""
        y, state = self.inside.step(self.input_layernorm(x), state)
        return self._rest(x, y), state

    def _rest(self, x: Tensor, y: Tensor) -> Tensor:
        x = x + y if self.residual else y
        return x + self.mlp(self.post_attention_layernorm(x)) if hasattr(self, "mlp") else x


class Decoder(nn.Module):
    """From values to the states after the last block."""

    def __init__(self, shape: Shape):
        super().__init__()
        depth = len(shape.mixers)
        self.embed_tokens = nn.Embedding(shape.symbols, shape.width) if shape.symbols else None
        same = shape.vectors == shape.width
        self.embed_vectors = None if shape.symbols or same else nn.Linear(shape.vectors, shape.width)
        self.short = Short(shape.width) if shape.short else None
        made = (make(name, shape.width, dict(options), l, depth) for l, (name, options) in enumerate(shape.mixers))
        self.layers = nn.ModuleList(Block(mixer, shape) for mixer in made)
        self.norm = nn.RMSNorm(shape.width) if shape.norm else nn.Identity()
        heads = next((b.inside.heads for b in self.layers if isinstance(b.inside, Attention)), 1)  # type: ignore[union-attr]
        self.config = SimpleNamespace(num_attention_heads=heads, _attn_implementation="sdpa", hidden_size=shape.width)

    def embed(self, values: Tensor) -> Tensor:
        """[B, T] symbols or [B, T, V] vectors -> [B, T, D]; also without the T."""
        if self.embed_tokens is not None:
            return self.embed_tokens(values)
        return self.embed_vectors(values) if self.embed_vectors is not None else values

    def forward(self, input_ids: Tensor) -> Tensor:
        """[B, T] symbols or [B, T, V] vectors -> states [B, T, D], normalised."""
        x = self.embed(input_ids)
        x = self.short(x) if self.short is not None else x
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def set_attn_implementation(self, name: str) -> None:
        """As transformers' models do: which attention function `Attention.attend` calls."""
        self.config._attn_implementation = name
        for module in self.modules():
            if isinstance(module, Attention):
                module.implementation = name

    def get_input_embeddings(self) -> nn.Module:
        """Where the values go in; of vectors that go in as they are, the last layer's mixer has the weights to ask."""
        return self.embed_tokens or self.embed_vectors or self.layers[-1].inside.o_proj  # type: ignore[return-value, union-attr]


class Head(nn.Sequential):
    """From states to predictions; steering asks where its weights are."""

    @property
    def weight(self) -> Tensor:
        """Of its last layer, [classes or 1, D]."""
        return self[-1].weight  # type: ignore[return-value]


class Network(nn.Module):
    """Values [B, T] or [B, T, V] -> predictions at every position: logits [B, T, classes], or numbers [B, T]."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        self.config = self.model.config
        layers: list[nn.Module] = []
        for _ in range(shape.hidden):
            layers += [nn.Linear(shape.width, shape.width), nn.ReLU()]
        self.lm_head = Head(*layers, nn.Linear(shape.width, shape.classes or 1, bias=False))
        self.tied = bool(shape.symbols) and shape.symbols == shape.classes and not shape.hidden
        if self.tied:
            self.lm_head[-1].weight = self.model.embed_tokens.weight  # type: ignore[union-attr]
            nn.init.normal_(self.lm_head[-1].weight, std=0.02)  # type: ignore[arg-type]

    def forward(self, values: Tensor) -> Tensor:
        """Predictions at every position, of values [B, T] or [B, T, V]."""
        return self.read(self.model(values))

    def read(self, states: Tensor) -> Tensor:
        """Predictions from states after the last norm."""
        out = self.lm_head(states)
        return out if self.shape.classes else out[..., 0]

    def get_decoder(self) -> Decoder:
        return self.model

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def get_output_embeddings(self) -> Head:
        return self.lm_head

    @property
    def base_model(self) -> Decoder:
        return self.model

    @property
    def dtype(self) -> torch.dtype:
        return self.lm_head.weight.dtype

    def start(self, batch: int) -> list[Any]:
        """The state before the first position, part by part."""
        short = [self.model.short.start(batch)] if self.model.short is not None else []
        return [*short, *(layer.inside.start(batch) for layer in self.model.layers)]  # type: ignore[operator, union-attr]

    def step(self, values: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        """One position [B] or [B, V]: predictions [B, classes] or [B], and the state after it."""
        x, behind = self.model.embed(values), []
        parts = [*([self.model.short] if self.model.short is not None else []), *self.model.layers]
        for part, before in zip(parts, state, strict=True):
            x, after = part.step(x, before)  # type: ignore[operator]
            behind.append(after)
        return self.read(self.model.norm(x)), behind

    @property
    def mixers(self) -> list[Mixer]:
        """Block by block."""
        return [layer.inside for layer in self.model.layers]  # type: ignore[misc]

    @property
    def recurrent(self) -> bool:
        """Whether all mixers can go on position by position (`step`)."""
        return all(m.recurrent for m in self.mixers)

    def state_bytes(self, length: int) -> int:
        """Of all mixers, and of the short convolution."""
        short = 4 * (Short.TAPS - 1) * self.shape.width if self.model.short is not None else 0
        return short + sum(m.state_bytes(length) for m in self.mixers)

"""Where the parts of a stock model are, found through its public getters."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.core.method import Method
from harness.core.types import Request
from harness.steering.guard import broken
from harness.steering.inputs import SEQUENCES, Inputs, beside

MLP = ("mlp", "feed_forward", "ffn", "block_sparse_moe")
ATTENTION_BLOCK = ("self_attn", "attention", "attn")
OUTPUT_PROJECTION = ("o_proj", "out_proj", "dense", "wo")
WRAPPERS = (
    "vision_start_token_id",
    "vision_end_token_id",
    "boi_token_id",
    "boi_token_index",
    "eoi_token_id",
    "eoi_token_index",
)
"""Configuration names of tokens that only wrap a picture's tokens."""
STEERED = "harness_steered"
"""Name of the attention that methods edit through."""


@dataclass
class Work:
    """What the decoder has done: `passes` counts rows times calls, `positions` the tokens in them, padding included."""

    passes: int = 0
    positions: int = 0

    def add(self, rows: int, prompt: int, steps: int) -> None:
        """A prompt of `prompt` columns and `steps` new tokens, in `rows` rows."""
        self.passes += rows * steps
        self.positions += rows * (prompt + steps - 1)


class View:
    """The parts of a model that methods touch. Raises UsageError where a model has no autoregressive decoder."""

    def __init__(self, model: Any):
        name = type(model).__name__
        decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
        if decoder is None or decoder is model or getattr(model.config, "is_encoder_decoder", False):
            raise UsageError(f"{name} has no autoregressive decoder to steer: choose a decoder-only language model")
        self.model, self.decoder, self.head = model, decoder, model.get_output_embeddings()
        self.image_token_id: int | None = getattr(model.config, "image_token_id", None)
        pixels = inspect.signature(model.forward).parameters.get("pixel_values")
        self.needs_picture = pixels is not None and pixels.default is inspect.Parameter.empty
        """BLIP-like: forward demands a picture, so text alone goes to the language model inside."""
        self.shares_prefix = not self.needs_picture
        """The Q-Former of InstructBLIP reads the question: its image features cannot be shared."""
        self.text_model = model.language_model if self.needs_picture else model
        self.softcap: float | None = getattr(decoder.config, "final_logit_softcapping", None)
        rope = getattr(decoder.config, "rope_parameters", None) or {}
        if "mrope_section" in rope and not hasattr(model.base_model, "rope_deltas"):
            raise broken(f"{name} keeps no rope_deltas, by which positions behind pictures are counted")
        self.work = Work()
        self.encode: Callable[[Request], Inputs] | None = None
        """Makes inputs of a request as the task's own were made; None outside a run."""
        self.decode: Callable[[Sequence[int]], str] = lambda ids: " ".join(map(str, ids))
        """Token ids as text: the checkpoint's tokenizer in a run."""
        self.tokenizer: Any = None
        """The checkpoint's tokenizer, of transformers, in a run."""
        self.covered: Callable[[Inputs], tuple[float, float, float, float]] = lambda _: (0.0, 0.0, 1.0, 1.0)
        """The part of a sample's picture that its image tokens show, (x0, y0, x1, y1) in 0..1."""
        self.carried: Any = None
        """The prompt that the next ones may begin with: a `Carried` of `harness.steering.carried`, or None."""
        self.recordings: Any = None
        """Steps of decoding as CUDA graphs: `Recordings` of `harness.steering.recorded`, or None."""
        self.ends_alone = False
        """Whether the last layer may compute the last position of prompts alone (`harness.steering.last_row`)."""
        self.shown: Any = None
        """Beginnings with pictures for further batches: a `Shown` of `harness.steering.shown`, or None."""
        self.turns: Any = None
        """What samples that may ask again have read: a `Turns` of `harness.steering.turns`, or None."""
        self.enlarged: Callable[[Request, float], Tensor] | None = None
        """Pixels of a request's pictures, by the checkpoint's processor at so many times its size; None outside a run.
        Raises UsageError where it has no one size."""
        self.rewritten: Callable[[Inputs], Inputs] = lambda sample: sample
        """While methods run: a prompt as those of them that rewrite prompts make it."""
        self._begins: dict[str, tuple[int, ...]] = {}

    # -- parts

    @cached_property
    def layers(self) -> nn.ModuleList:
        found = _child(self.decoder, "layers", "h", "blocks")
        if isinstance(found, nn.ModuleList):
            return found
        raise UsageError(f"{type(self.decoder).__name__} keeps its layers where steering cannot find them")

    @cached_property
    def norm(self) -> nn.Module:
        if found := _child(self.decoder, "norm", "ln_f", "final_layernorm", "final_layer_norm"):
            return found
        raise UsageError(f"{type(self.decoder).__name__} keeps its final norm where steering cannot find it")

    def mlp(self, l: int) -> nn.Module:
        """The module whose output the MLP branch adds to the residual stream (Gemma: the norm after its MLP)."""
        after = _child(self.layers[l], "post_feedforward_layernorm", "post_mlp_layernorm")
        return after or self.feed_forward(l)

    def feed_forward(self, l: int) -> nn.Module:
        return self._part(self.layers[l], MLP, "MLP")

    def has_mlp(self, l: int) -> bool:
        try:
            self.mlp(l)
        except UsageError:
            return False
        return True

    def attention_output(self, l: int) -> nn.Module:
        """The module whose output the attention branch adds to the residual stream."""
        layer = self.layers[l]
        if after := _child(layer, "post_self_attn_layernorm"):
            return after
        if _child(layer, "post_feedforward_layernorm") and (after := _child(layer, "post_attention_layernorm")):
            return after
        return self.attention(l)

    def attention(self, l: int) -> nn.Module:
        return self._part(self.layers[l], ATTENTION_BLOCK, "self-attention")

    def projection(self, l: int) -> nn.Module:
        """The linear map from head outputs to the attention block's output."""
        return self._part(self.attention(l), OUTPUT_PROJECTION, "attention output projection")

    def _part(self, module: nn.Module, names: Sequence[str], what: str) -> nn.Module:
        if found := _child(module, *names):
            return found
        raise UsageError(f"{type(module).__name__} has no {what} that steering knows: choose a method that needs none")

    @property
    def depth(self) -> int:
        return len(self.layers)

    @property
    def n_heads(self) -> int:
        return self.decoder.config.num_attention_heads

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def implementation(self) -> str:
        """Name of the decoder's attention implementation."""
        return self.decoder.config._attn_implementation

    @cached_property
    def window(self) -> int | None:
        """Length of the shortest sliding window of the layers, in tokens; None where all layers see everything."""
        kinds = set(getattr(self.decoder.config, "layer_types", None) or ["full_attention"])
        return None if kinds == {"full_attention"} else int(getattr(self.decoder.config, "sliding_window", None) or 1)

    @property
    def keeps_keys(self) -> bool:
        """Whether the cache is keys and values of every token, in every layer."""
        return self.window is None and not getattr(self.text_model, "_is_stateful", False)

    @cached_property
    def eos(self) -> tuple[int, ...]:
        found = self._setting("eos_token_id")
        return () if found is None else tuple(found) if isinstance(found, list | tuple) else (int(found),)

    @cached_property
    def pad(self) -> int:
        found = self._setting("pad_token_id")
        return int(found) if found is not None else self.eos[0] if self.eos else 0

    @cached_property
    def bos(self) -> int | None:
        return self._setting("bos_token_id")

    def _setting(self, name: str) -> Any:
        for owner in (self.model.generation_config, getattr(self.text_model, "generation_config", None)):
            if (found := getattr(owner, name, None)) is not None:
                return found
        return None

    @property
    def rope_deltas(self) -> Tensor | None:
        """Offsets between columns and M-RoPE positions of the last prompts, state of the model. None: no M-RoPE."""
        return getattr(self.model.base_model, "rope_deltas", None)

    @rope_deltas.setter
    def rope_deltas(self, value: Tensor | None) -> None:
        if hasattr(self.model.base_model, "rope_deltas"):
            self.model.base_model.rope_deltas = value

    # -- helpers

    def unembed(self, h: Tensor, norm: bool = True) -> Tensor:
        """Logits [..., V] in float32 of hidden states [..., d], with or without the final norm (logit lens)."""
        h = h.to(self.head.weight.device)
        z = self.head(self.norm(h) if norm else h).float()
        return z if self.softcap is None else torch.tanh(z / self.softcap) * self.softcap

    def ask(self, method: Method, sample: Inputs, **changed: Any) -> Inputs:
        """Inputs of the sample's request with changes (`Request.changed`), for a stream beside it. The prefix stays
        shared where the pictures are the same. Raises UsageError where the request is not known."""
        if sample.request is None or self.encode is None:
            raise UsageError(f"method={method.name} asks in other words, but this prompt is known as tokens only")
        other = self.rewritten(self.encode(sample.request.changed(**changed)))
        return beside(sample, other) if "picture" not in changed else other

    def tokens(self, text: str) -> list[int]:
        """Ids of a text, without special tokens; `decode` is the way back. Raises UsageError where the model is known
        without its tokenizer."""
        if self.tokenizer is None:
            raise UsageError(f"{type(self.model).__name__} is known by token ids alone: set view.tokenizer")
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def begins(self, word: str) -> tuple[int, ...]:
        """Ids of the tokens by which an answer can begin with the word, ascending: in either case, with and without a
        blank before it. Where the word is several tokens these are its first ones, which other words may share."""
        if word not in self._begins:
            small, found = word.strip().lower(), set[int]()
            for text in {f"{blank}{form}" for blank in ("", " ") for form in (word.strip(), small, small.capitalize())}:
                said = ((i, self.tokenizer.decode([i]).strip().lower()) for i in self.tokens(text))
                first, piece = next(((i, piece) for i, piece in said if piece), (-1, ""))  # some tokens are blanks
                if piece and small.startswith(piece):
                    found.add(first)
            self._begins[word] = tuple(sorted(found))
        return self._begins[word]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """What each token adds to the text, so that the pieces together are the text."""
        ends = [0, *(len(self.decode(list(ids[: i + 1]))) for i in range(len(ids)))]
        text = self.decode(list(ids))
        return [text[a:b] for a, b in itertools.pairwise(ends)]

    def scaled(self, layer: int, of: int = 32) -> int:
        """A layer number of the papers' models (of 32 layers) in this model."""
        return round(layer * self.depth / of)

    def without_image(self, sample: Inputs) -> Inputs:
        """The sample without pictures, their tokens, and tokens that only wrap them."""
        ids = sample.tensors["input_ids"][0]
        config = self.model.config
        drop = [self.image_token_id, *(getattr(config, name, None) for name in WRAPPERS)]
        keep = ~torch.isin(ids, torch.tensor([t for t in drop if isinstance(t, int)], dtype=ids.dtype))
        kept = sample.kept(keep)
        return replace(kept, tensors={k: v for k, v in kept.tensors.items() if k in SEQUENCES})


def _child(module: nn.Module, *names: str) -> nn.Module | None:
    """The first of these submodules that is there."""
    for name in names:
        if isinstance(found := getattr(module, name, None), nn.Module):
            return found
    return None

"""The last layer of a prompt, for the last position of each row alone: of the others, only keys and values are read.

A layer that attends, projects and adds for one position gives it what it gives it among all. In a model of four layers
this saves a seventh of what a prompt costs. What stands at the other positions behind the layer is worthless.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from harness.steering.blocks import BLOCKS
from harness.steering.kernels import near
from harness.steering.view import STEERED, View

LAST = "harness_last_row"
"""Name of this attention."""


@contextlib.contextmanager
def alone(view: View) -> Iterator[None]:
    """While open, the last layer computes the last row of each pass alone, unless a hook watches or edits it."""
    if _watched(view):
        yield
        return
    last = view.depth - 1
    attention: Any = view.attention(last)
    parts = view.projection(last), view.feed_forward(last)
    config, own = attention.config, copy.copy(attention.config)
    own._attn_implementation_internal = LAST
    attention.config = own
    hooks = [part.register_forward_pre_hook(_last) for part in parts]
    try:
        yield
    finally:
        attention.config = config
        for hook in hooks:
            hook.remove()


def agrees(view: View) -> bool:
    """Whether this model's last layer gives the last position the same alone: tried on two short rows, one padded.

    False for models on other devices or in other numbers than float32, whose rounding could change tokens, for models
    whose attention is not torch's, and for those that are built otherwise.
    """
    if view.device.type != "cpu" or view.dtype != torch.float32 or view.implementation not in ("sdpa", BLOCKS):
        return False
    try:
        with torch.no_grad():
            wanted, found = _both(view)
    except Exception:  # a model that is built otherwise raises anything
        return False
    return found.shape == wanted.shape and near(found[:, -1], wanted[:, -1])


def _both(view: View) -> tuple[Tensor, Tensor]:
    """States behind the last layer [rows, t, d], as the model computes them and alone."""
    layer, calls = view.layers[-1], []
    tokens = torch.arange(1, 13).view(2, 6) % view.decoder.get_input_embeddings().num_embeddings
    mask = torch.ones_like(tokens)
    mask[0, :2] = 0
    keep = layer.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
    try:
        view.decoder(input_ids=tokens, attention_mask=mask, use_cache=False)
    finally:
        keep.remove()
    ((args, kwargs),) = calls
    wanted = layer(*args, **kwargs)
    with alone(view):
        return _states(wanted), _states(layer(*args, **kwargs))


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """torch's attention of the last of the query rows [B, H, Q, D], put in the place of all: [B, Q, H, D]."""
    rows = query.shape[2]
    mask = None if attention_mask is None else attention_mask[:, :, -1:]
    kwargs = {**kwargs, "is_causal": False}
    out, _ = sdpa_attention_forward(module, query[:, :, -1:], key, value, mask, scaling=scaling, **kwargs)
    return out.expand(-1, rows, -1, -1), None


def _last(_module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Only the last row of states [B, t, d]; added to all of them, it is right for the last."""
    return given[0][:, -1:], *given[1:]


def _watched(view: View) -> bool:
    """Whether a hook may read what is worthless here, or a method edits attention. transformers' own hooks, which stay
    once it was asked for hidden states, read nothing."""
    inside = [h for m in (*view.layers[-1].modules(), view.norm) for h in m._forward_pre_hooks.values()]
    behind = [h for m in (*view.layers[-1].modules(), view.norm, view.decoder) for h in m._forward_hooks.values()]
    foreign = any(not str(getattr(h, "__module__", "")).startswith("transformers.") for h in (*inside, *behind))
    return foreign or view.implementation == STEERED


def _states(output: Any) -> Tensor:
    return output if torch.is_tensor(output) else output[0]


AttentionInterface.register(LAST, attend)

"""The last layer of a prompt, for the last position of each row alone: keys and values are all that is read of the others.

A layer that attends, projects and adds for one position gives it what it gives it among all. In a model of four layers
this is a fifth of what a prompt costs. What stands at the other positions behind the layer is worthless.
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

from harness.core.errors import UsageError
from harness.steering.blocks import BLOCKS
from harness.steering.kernels import near
from harness.steering.view import View

LAST = "harness_last_row"
"""Name of this attention."""


@contextlib.contextmanager
def alone(view: View) -> Iterator[None]:
    """While open, the last layer computes the last row of each pass alone, unless somebody watches it."""
    attention, mlp = view.attention(view.depth - 1), view.feed_forward(view.depth - 1)
    if _watched(view):
        yield
        return
    config = attention.config
    attention.config = copy.copy(config)
    attention.config._attn_implementation_internal = LAST
    hooks = [module.register_forward_pre_hook(_last) for module in (view.projection(view.depth - 1), mlp)]
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
    layer, calls = view.layers[-1], []
    keep = layer.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
    tokens = torch.arange(1, 13).view(2, 6) % view.decoder.get_input_embeddings().num_embeddings
    mask = torch.ones_like(tokens)
    mask[0, :2] = 0
    try:
        with torch.no_grad():
            view.decoder(input_ids=tokens, attention_mask=mask, use_cache=False)
            keep.remove()
            (args, kwargs) = calls[0]
            wanted = _states(layer(*args, **kwargs))
            with alone(view):
                found = _states(layer(*args, **kwargs))
    except (UsageError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return False
    finally:
        keep.remove()
    return found.shape == wanted.shape and near(found[:, -1], wanted[:, -1])


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
    """Whether a hook may read what is worthless here."""
    behind = (view.decoder, view.layers[-1], view.norm)
    return any(m._forward_hooks for m in behind) or bool(view.norm._forward_pre_hooks)


def _states(output: Any) -> Tensor:
    return output if torch.is_tensor(output) else output[0]


AttentionInterface.register(LAST, attend)

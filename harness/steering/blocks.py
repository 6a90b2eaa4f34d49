"""Attention to long prompts in blocks, by oneDNN's products: in float32 on AMD nearly twice as fast as torch's kernel.

torch multiplies by MKL, which leaves half of these CPUs unused. Outputs differ by rounding alone. Whether it is faster
on a machine is measured (`harness.models.hf.faster`), and everything that it does not know goes to torch's kernel.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from harness.steering import kernels
from harness.steering.onednn import linear

BLOCKS = "harness_blocks"
"""Name of this attention."""
LEAST = 256
"""Query rows from which it is used."""
ROWS = 128
"""Query rows in a block: more compute what no row sees, fewer make small products."""
_USERS: WeakSet[nn.Module] = WeakSet()
"""Modules of the decoders that attend so."""
OTHERS = ("softcap", "s_aux", "position_bias", "output_attentions")
"""Arguments by which a layer asks for more than this computes."""


def use(decoder: Any) -> None:
    """Let a decoder attend so, also while methods see its attention (`harness.steering.attention`)."""
    decoder.set_attn_implementation(BLOCKS)
    _USERS.update(decoder.modules())


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention of query [B, H, Q, D] over key and value [B, Hk, K, D]: output [B, Q, H, D]."""
    if module in _USERS and _known(module, query, key, value, attention_mask, kwargs):
        return blockwise(query, key, value, attention_mask, scaling), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)


def blockwise(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None = None) -> Tensor:
    """Block by block of the queries, over the columns that any of its rows sees.

    Args:
        query: [B, H, Q, D], on a CPU.
        key: [B, Hk, K, D]: H / Hk heads in a row share one.
        value: As the keys.
        mask: What is seen [B or 1, 1, Q, K]: true, or a number that is added to the scores. None: each row sees the
            columns up to its own, counted from the last.
        scaling: Of the scores; None: by the root of D.

    Returns:
        [B, Q, H, D].
    """
    _, heads, length, size = query.shape
    groups, columns = key.shape[1:3]
    query, share = query * (size**-0.5 if scaling is None else scaling), heads // groups
    out = query.new_empty(len(query), length, heads, size)
    for b, start in ((b, s) for b in range(len(query)) for s in range(0, length, ROWS)):
        end = min(length, start + ROWS)
        first, last, part = _seen(mask, b, start, end, columns - length + end)
        for g in range(groups):
            own = slice(g * share, (g + 1) * share)
            rows = query[b, own, start:end].reshape(-1, size)
            scores = linear(rows, key[b, g, first:last]).view(share, end - start, last - first)
            _hide(scores, part)
            weights = scores.softmax(-1).view(len(rows), last - first)
            read = linear(weights, value[b, g, first:last].t())
            out[b, start:end, own] = read.view(share, end - start, size).transpose(0, 1)
    return out


def _seen(mask: Tensor | None, b: int, start: int, end: int, last: int) -> tuple[int, int, Tensor]:
    """The columns [first, last) that a block of rows sees any of, and what its rows see of the last of these."""
    if mask is None:
        return 0, last, torch.ones(end - start, end - start, dtype=torch.bool).tril()
    part = mask[b if len(mask) > 1 else 0, 0, start:end]
    seen = part if part.dtype == torch.bool else part > torch.finfo(part.dtype).min
    found = seen.any(0).nonzero()
    first, last = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 1)
    return first, last, part[:, first:last]


def _hide(scores: Tensor, part: Tensor) -> None:
    """Take from scores [heads, rows, columns] what the rows do not see of the last columns [rows, some]."""
    scores = scores[:, :, scores.shape[2] - part.shape[1] :]
    if part.dtype == torch.bool:
        scores.masked_fill_(~part, torch.finfo(scores.dtype).min)
    else:
        scores += part


def _known(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, more: dict[str, Any]
) -> bool:
    """Whether blocks compute what a layer asks for, and gain by it."""
    if query.shape[2] < LEAST or query.dtype != torch.float32:
        return False
    causal = more.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    if mask is None:
        plain = causal and query.shape[2] == key.shape[2]
    else:
        plain = mask.shape[1] == 1 and mask.shape[2:] == (query.shape[2], key.shape[2])
    return (
        plain
        and kernels.plain(query, key, value)
        and key.shape[-1] == value.shape[-1] == query.shape[-1]
        and not any(more.get(name) is not None and more.get(name) is not False for name in OTHERS)
        and not more.get("dropout")
        and not torch.compiler.is_compiling()
    )


AttentionInterface.register(BLOCKS, attend)
AttentionMaskInterface.register(BLOCKS, sdpa_mask)

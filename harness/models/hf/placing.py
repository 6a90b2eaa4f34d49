"""A model on its device, and what makes it fast there."""

from __future__ import annotations

from typing import Any

import torch

from harness.core.errors import UsageError, first_line
from harness.models.hf import faster
from harness.models.hf.linear import available, exchange, is_packed, layers, shape
from harness.steering.blocks import use


def check(device: str, dtype: str) -> None:
    """Raises UsageError where torch sees no such device. Fixes what `dtype` means on it."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"model.device={device}: torch sees no CUDA device here; give model.device=cpu")
    if dtype == "float32":  # cuDNN's default rounds what convolutions read to TF32's 10 bits
        torch.backends.cudnn.allow_tf32 = False


def place(model: Any, device: str) -> Any:
    """The model there. Raises UsageError where the device cannot be used."""
    try:
        return model.to(device)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError, ImportError) as e:  # by device: not built in, not there, no such number
        raise UsageError(f"model.device={device} cannot be used: {first_line(e)}") from e


def hasten(model: Any, device: str, *, compiled: bool, linear: str) -> None:
    """Compile it, or exchange the layers whose weights shall be read packed (`linear`: auto, stock or packed), and with
    `auto` its attention to long prompts."""
    if compiled:
        model.compile(dynamic=True)
        return
    if device == "cpu":
        faster.join_rows(model)
    if linear == "stock":
        return
    if linear == "packed" and not available():
        raise UsageError("model.linear=packed: this build of torch has no oneDNN; give model.linear=stock")
    exchange(model, faster.fastest(model) if linear == "auto" else dict.fromkeys(map(shape, layers(model)), 1))
    if linear == "auto" and is_packed(model) and model.dtype == torch.float32:
        _attend(model)


def _attend(model: Any) -> None:
    """Let the decoder attend to long prompts in blocks where that is faster."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
    config = getattr(decoder, "config", None)
    heads = getattr(config, "num_attention_heads", None)
    if config is None or not isinstance(heads, int) or config._attn_implementation != "sdpa":
        return
    groups = getattr(config, "num_key_value_heads", None) or heads
    if faster.in_blocks(heads, groups, getattr(config, "head_dim", None) or config.hidden_size // heads):
        use(decoder)


def pad_with(model: Any, tokenizer: Any) -> None:
    """Give the tokenizer and the model a token for padding where they have none."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.generation_config.pad_token_id is None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id

"""Passes of the stock model, plain or with what one module put out in another pass: references of causal tracing."""

from __future__ import annotations

import contextlib

import torch


def plain(v, one) -> torch.Tensor:
    """Next-token logits [V]."""
    with torch.no_grad():
        return v.model(**one.tensors, use_cache=False).logits[0, -1]


@contextlib.contextmanager
def restoring(v, clean, part, l, at):
    """The stock model, one module's output at some positions put to what it is in a clean pass."""
    module = {"attention": v.attention_output, "mlp": v.mlp, "hidden": lambda n: v.layers[n]}[part](l)
    kept = []
    handle = module.register_forward_hook(lambda _m, _a, y: kept.append(y if torch.is_tensor(y) else y[0]))
    plain(v, clean)
    handle.remove()

    def put(_m, _a, y):
        x = (y if torch.is_tensor(y) else y[0]).clone()
        x[:, at] = kept[0][:, at]
        return x if torch.is_tensor(y) else (x, *y[1:])

    handle = module.register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()

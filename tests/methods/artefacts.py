"""Artefacts of the right shapes for methods that calibrate themselves: random models have nothing to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from harness.steering import View


def _rates(view: View) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {part: torch.rand(view.depth, generator=generator) for part in ("attention", "mlp")}


def _probe(view: View) -> dict[str, Tensor]:
    """Doubts every other state."""
    size = view.head.weight.shape[-1]
    weight = torch.randn(size, generator=torch.Generator().manual_seed(1))
    zero = torch.zeros(size)
    return {"weight": weight, "bias": torch.zeros(1), "mean": zero, "std": zero + 1, "theta": torch.tensor([0.5])}


def _heads(view: View) -> dict[str, Tensor]:
    """Every other head."""
    return {"heads": (torch.arange(view.depth * view.n_heads) % 2).view(view.depth, view.n_heads)}


def _embedding(view: View) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    size = view.projection(0).weight.shape[1] // view.n_heads
    shape = (view.depth, view.n_heads)
    return {"t": torch.randn(*shape, size, generator=generator), "alpha": torch.rand(*shape, generator=generator)}


def _classes(view: View) -> dict[str, Tensor]:
    from harness.methods._shared.attentive import start
    from harness.methods._shared.classes import Classes

    names = [f"w{i}" for i in range(0, 200, 4)]
    head = start(view.head.weight.shape[-1], 8, 1, len(names), 1.0, 0)
    weight = torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(3))
    return Classes(replace(head, weight=weight), 0.1, names).tensors()


ARTEFACTS: dict[str, Callable[[View], dict[str, Tensor]]] = {
    "iri": _rates,
    "truthprint": _probe,
    "act": _heads,
    "soft_injection": _embedding,
    "tower": _classes,
}

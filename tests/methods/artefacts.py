"""Artefacts of the right shapes for methods that calibrate themselves: random models have nothing to find."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.steering import View


def _rates(view: View) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {part: torch.rand(view.depth, generator=generator) for part in ("attention", "mlp")}


ARTEFACTS: dict[str, Callable[[View], dict[str, Tensor]]] = {"iri": _rates}

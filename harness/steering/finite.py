"""Logits that are NaN or infinite: the largest of them would be taken for an answer all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from harness.core.errors import Unusable
from harness.steering.batch import Batch


def finite(z: Tensor) -> Tensor:
    """Whether the largest of each row's logits [..., V] is a number, bool [...]. NaN is the largest where there is
    one; minus infinity excludes a token."""
    return z.max(-1).values.isfinite()


def require_sound(sound: Tensor, dtype: torch.dtype, methods: Sequence[Any]) -> None:
    """Raises Unusable where some logits were not numbers (`finite`)."""
    if not bool(sound.all()):
        raise lost(dtype, methods)


def lost(dtype: torch.dtype, methods: Sequence[Any]) -> Unusable:
    """The error of a sample whose logits are not numbers."""
    under = f" under method={', '.join(m.name for m in methods)}" if methods else ""
    if dtype == torch.float16:
        return Unusable(
            f"the logits{under} are NaN or infinite in float16, which holds no number above 65504: give "
            "model.dtype=bfloat16 or float32"
        )
    fix = "look for a strength that is too large, or a division by zero" if methods else "is the checkpoint damaged?"
    return Unusable(f"the logits{under} are NaN or infinite: {fix}")


class Watch(LogitsProcessor):
    """Changes nothing, and notes which rows' logits are numbers, step by step."""

    def __init__(self, batch: Batch):
        self.batch = batch
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.batch.step += 1
        self.steps.append(finite(scores))
        return scores


def require_finite(batch: Batch, steps: Sequence[Tensor], counts: Sequence[int]) -> None:
    """Raises Unusable where a sample's logits were not numbers before it had ended.

    Args:
        steps: Of each step, which rows were: [rows of the samples] or more.
        counts: Steps that each sample took part in.
    """
    if not steps:
        return
    found = torch.stack(list(steps), 1).cpu()  # one transfer for all steps
    if bool(found.all()):
        return
    if len(found) != len(counts) or any(not bool(row[:n].all()) for row, n in zip(found, counts, strict=True)):
        raise lost(batch.view.dtype, batch.methods)

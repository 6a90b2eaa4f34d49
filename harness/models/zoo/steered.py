"""Steering methods on a model of the zoo: its series are read in one pass, with the methods' edits in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.steering import Inputs, Probe, Steering, View
from harness.steering.batch import Batch
from harness.steering.guard import Guard
from harness.steering.hooks import attached
from harness.steering.method import ATTENTION
from harness.steering.requirements import require
from harness.zoo.attention import Attention
from harness.zoo.network import Network

CHOOSING = ("logits", "contrast", "decode", "stays", "rewrite", "picture")
"""Points that act on tokens as they are chosen, on prompts or on pictures: here nothing is chosen step by step."""


@dataclass(frozen=True)
class Pass:
    """States after the last norm [B, T, D], what methods measured and what probes read, a mapping for each series."""

    states: Tensor
    measures: list[dict[str, float]] = field(default_factory=list)
    readings: list[dict[str, Reading]] = field(default_factory=list)


def check(methods: Sequence[Steering]) -> None:
    """Raises UsageError for a method that needs what a pass over a series does not have."""
    for method in methods:
        if points := [p for p in CHOOSING if method.has(p)]:
            raise UsageError(
                f"method={method.name} needs {points[0]}, but model=zoo reads a series in one pass: choose a method "
                "that edits attention, heads or states"
            )


def read(network: Network, values: Tensor, methods: Sequence[Steering]) -> Pass:
    """One pass over series of one length, [B, T] or [B, T, V]. Raises UsageError where the network has no part that a
    method edits (a mixer without attention)."""
    view = View(network)
    require(view, methods)
    _attention(network, methods)
    rows, length = values.shape[:2]
    ids = values if values.ndim == 2 else torch.zeros(rows, length, dtype=torch.long)
    samples = [Inputs({"input_ids": one[None], "attention_mask": torch.ones_like(one)[None]}) for one in ids]
    alone = [samples] if all(m.batch for m in methods) else [[s] for s in samples]
    states, measures, readings, at = [], [], [], 0
    for some in alone:
        batch = Batch(view, methods, some, peek=_unable)
        batch.length, batch.guard, batch.cuts = length, Guard(expected=length), [0] * len(some)
        for method in methods:
            method.prepare(batch)
        with torch.no_grad(), attached(batch):
            states.append(network.model(values[at : at + len(some)]))
        at += len(some)
        found = [m.measured(batch, [1] * len(some)) for m in methods]
        for i in range(len(some)):
            known = {name: values[i] for part in found for name, values in part.items()}
            measures.append({name: float(value) for name, value in known.items() if value is not None})
        readings += _readings(batch, methods)
    return Pass(torch.cat(states), measures, readings)


def _readings(batch: Batch, methods: Sequence[Steering]) -> list[dict[str, Reading]]:
    out: list[dict[str, Reading]] = [{} for _ in batch.samples]
    for method in methods:
        if isinstance(method, Probe):
            for name, found in method.readings(batch, [1] * len(out)).items():
                for one, reading in zip(out, found, strict=True):
                    if reading is not None:
                        one[f"{method.name}.{name}"] = reading
    return out


def _attention(network: Network, methods: Sequence[Steering]) -> None:
    for method in methods:
        own = [m for m in network.mixers if isinstance(m, Attention) and not m.plain]
        if own and method.has(*ATTENTION):
            raise UsageError(
                f"method={method.name} edits attention, which the mixer {type(own[0]).__name__} computes in its own "
                "way: choose softmax, window or gated"
            )


def _unable(*_: object) -> Tensor:
    raise UsageError("this method looks ahead with a plain pass, which model=zoo has none of: choose another method")

"""Readings for runs that are made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.core.readings import Reading
from harness.core.types import Outcome, Result
from harness.runs.readings import Recorder, chosen


def read(folder: Path, shift: float, ids: Sequence[str], *, keep: int = 3, layers: int = 4, heads: int = 3) -> dict:
    """Readings of the probe image_attention: `shift` is added to all but `first`. Gives the maps that are kept."""
    kept = chosen(ids, keep)
    recorder, maps, results = Recorder(folder, kept), {}, []
    for i, name in enumerate(ids):
        rng = np.random.default_rng(i)
        curve, field = rng.random(layers), rng.random((layers, heads))
        field[2, 1] = 5.0
        map_ = rng.random((layers, 2, 2)) + shift
        found = {
            "image": Reading(rng.random() + shift),
            "first": Reading(rng.random()),
            "image_layers": Reading(curve + shift * np.arange(layers), ("layer",)),
            "image_heads": Reading(field + shift, ("layer", "head")),
            "image_steps": Reading(np.full(3, 9.0 + 9 * shift), ("step",)),
            "map": Reading(map_, ("layer", "row", "column"), (0.0, 0.25, 1.0, 0.75)),
        }
        named = {f"image_attention.{k}": v for k, v in found.items()}
        results.append(Result(name, "c", "g", "t", Outcome("yes", {"correct": 1.0}), readings=named))
        if name in kept.ids:
            maps[name] = map_
    recorder.take(results, probing=True)
    recorder.finish(ids)
    return maps

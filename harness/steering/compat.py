"""What differs between versions of transformers. Nothing else in the project asks for a version."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import transformers
from transformers import GenerationMixin

OLDEST, NEWEST = "5.20.0", "5.24.0"
"""The versions between which the steering layer is tested (`make compat`)."""

CACHE_NAMES = ("cache", "past_key_values")
"""Argument of a model's forward that holds the key-value cache: from 5.24 on, and before."""


def installed() -> str:
    """The version of transformers that runs."""
    return transformers.__version__


@cache
def _generate_takes() -> str:
    """The name that `generate()` uses: it is the one that it prepares a model's inputs with."""
    prepare = GenerationMixin.prepare_inputs_for_generation  # pyright: ignore[reportAttributeAccessIssue]
    known = inspect.signature(prepare).parameters
    return next((name for name in CACHE_NAMES if name in known), CACHE_NAMES[0])


def with_cache(cache: Any) -> dict[str, Any]:
    """The cache as a keyword argument of `generate()` and of a model's forward; none for None."""
    return {} if cache is None else {_generate_takes(): cache}


def cache_in(arguments: Mapping[str, Any]) -> Any:
    """The cache among the keyword arguments of a forward pass; None where there is none."""
    return next((arguments[name] for name in CACHE_NAMES if arguments.get(name) is not None), None)


def keeps_logits(model: Any) -> bool:
    """Whether the model's forward can be asked for the logits of the last positions only."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters


def window_order(tower: Any, grid: Any) -> Any:
    """The order in which a tower with windows of its own (Qwen2.5-VL) reads its merge groups; None for as they come."""
    if not hasattr(tower, "window_size"):
        return None
    if hasattr(tower, "get_window_index"):
        return tower.get_window_index(grid)[0]
    from transformers.vision_utils import get_vision_window_index

    size = {"window_size": tower.window_size, "patch_size": tower.patch_size}
    return get_vision_window_index(grid, spatial_merge_size=tower.spatial_merge_size, **size)[0]

"""What of a run was set by hand: the words of its command that change what is asked, or how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLACES = ("path", "name", "of", "family", "device", "base_url", "api_key", "timeout", "retries")
"""Settings of a model that say what its name says, or where it runs."""


def words(config: Mapping[str, Any], *, model: bool = True) -> list[str]:
    """Of the methods, the task and the model, as they were written: "method.vcd.alpha=3", "model.dtype=bfloat16".

    Args:
        config: The run's.
        model: False leaves those of the model out.
    """
    given = [str(w).lstrip("+") for w in config.get("overrides") or []]
    return [w for w in given if w.startswith("method.") or _of_task(w) or (model and of_model(w))]


def of_model(word: str) -> bool:
    """Whether a word changes the model itself."""
    key = word.partition("=")[0]
    return key.startswith("model.") and key.split(".")[1] not in PLACES


def _of_task(word: str) -> bool:
    key = word.partition("=")[0]
    return key.startswith("task.") and key != "task.data" and not key.endswith("root")

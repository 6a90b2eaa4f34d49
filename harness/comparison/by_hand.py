"""What of a run its command set: the words that change what is asked, or how and by whom it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_MODELS = (
    *("attention", "chat", "compile", "dtype", "extra", "gguf", "graphs", "linear", "lookup", "pad", "partial"),
    *("reasoning", "revision", "trust"),
)
"""Settings of a model that change its answers; the others say which it is, where it is, or how long it may take."""


def given(config: Mapping[str, Any]) -> list[str]:
    """The words of a run's command, as they were written."""
    return [str(w).lstrip("+") for w in config.get("overrides") or []]


def words(config: Mapping[str, Any]) -> list[str]:
    """Those that set a method, the task or the model: "method.vcd.alpha=3", "model.dtype=bfloat16"."""
    return [w for w in given(config) if chosen(w)]


def chosen(word: str) -> bool:
    """Whether a word sets a method, the task or the model."""
    key = word.partition("=")[0]
    of_task = key.startswith("task.") and key != "task.data" and not key.endswith("root")
    return key.startswith("method.") or of_task or of_model(word)


def of_model(word: str) -> bool:
    """Whether a word changes the model itself."""
    group, _, name = word.partition("=")[0].partition(".")
    return group == "model" and name.split(".")[0] in OF_MODELS


def replayed(config: Mapping[str, Any]) -> bool:
    """Whether its answers come from a file that another program wrote."""
    return str((config.get("model") or {}).get("_target_", "")).endswith("Replay")

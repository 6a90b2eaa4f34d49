"""The settings of a task with the defaults of its YAML."""

from __future__ import annotations

import importlib
from typing import Any

from harness.plugins.registry import Registry

TASKS = Registry().tasks


def settings_of(name: str, **changes: Any) -> Any:
    """Those of the embedded records, or of the user's where there are none, with changes."""
    module, _, cls = TASKS[name].target.rpartition(".")
    form = getattr(importlib.import_module(module), cls).Settings
    own = {"root": "."} if name == "vqa" else {"data": "embedded"} if "${" in str(TASKS[name].defaults["data"]) else {}
    return form(**{**TASKS[name].defaults, **own, **changes})

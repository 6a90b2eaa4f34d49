"""The settings of a task with the defaults of its YAML."""

from __future__ import annotations

import importlib
from typing import Any

from harness.plugins.registry import Registry

TASKS = Registry().tasks


def settings_of(name: str, **changes: Any) -> Any:
    """Those of the embedded records, with changes."""
    module, _, cls = TASKS[name].target.rpartition(".")
    form = getattr(importlib.import_module(module), cls).Settings
    return form(**{**TASKS[name].defaults, "data": "embedded", **changes})

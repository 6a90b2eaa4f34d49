"""Methods with the numbers of their YAML."""

from __future__ import annotations

from typing import Any

from harness.plugins.build import make as build
from harness.plugins.registry import Registry

REGISTRY = Registry()


def made(name: str, **changes: Any) -> Any:
    """The method, some of its values changed. Raises UsageError as the command line would."""
    plugin = REGISTRY.methods[name]
    method = build({"_target_": plugin.target, **plugin.defaults, **changes}, f"method.{name}")
    method.name = name
    return method

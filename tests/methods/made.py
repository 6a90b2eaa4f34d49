"""Methods with the numbers of their YAML."""

from __future__ import annotations

from typing import Any

from harness.plugins.registry import Registry

REGISTRY = Registry()


def made(name: str, **changes: Any) -> Any:
    """The method, some of its values changed. Raises UsageError as the command line would."""
    return REGISTRY.methods[name].build(**changes)

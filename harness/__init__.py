"""harness: any training-free method, on any stock vision-language model, on any task, in one command.

In Python: `evaluate`, `runs`, `compare` (docs/python.md). They are loaded when they are first used, so that this import
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.comparison import Comparison, compare
    from harness.api.evaluate import evaluate
    from harness.api.run import Run
    from harness.api.runs import Runs, runs
    from harness.api.sample import SampleView
    from harness.api.table import Table
    from harness.core.errors import HarnessError, Missing, UsageError

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "HarnessError",
    "Missing",
    "Run",
    "Runs",
    "SampleView",
    "Table",
    "UsageError",
    "compare",
    "evaluate",
    "runs",
]

_HOMES = {
    **dict.fromkeys(("Comparison", "compare"), "harness.api.comparison"),
    **dict.fromkeys(("HarnessError", "Missing", "UsageError"), "harness.core.errors"),
    "Run": "harness.api.run",
    "Runs": "harness.api.runs",
    "SampleView": "harness.api.sample",
    "Table": "harness.api.table",
    "evaluate": "harness.api.evaluate",
    "runs": "harness.api.runs",
}
"""Public name -> its module."""


def public(name: str) -> Any:
    """What a public name stands for."""
    return getattr(import_module(_HOMES[name]), name)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The package harness.runs takes this name as soon as anything in it is imported, and can be called instead.
    found = globals()[name] = import_module("harness.runs") if name == "runs" else public(name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""A run on disk: its directory, record, journal, identity and environment.

The package can be called: `harness.runs(task="pope")` lists runs (`harness.api.runs`), and no import of a module in
here hides that function.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    def __call__(self, *given: Any, **settings: Any) -> Any:
        import harness

        return harness.public("runs")(*given, **settings)


sys.modules[__name__].__class__ = _Package

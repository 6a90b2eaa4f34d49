"""What a method's calibration depends on, remembered between processes: only the method can tell whether it needs an
artefact with the values it has, and its module imports torch, which a run in the store needs none of."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.files import cache_folder
from harness.core.model import Model
from harness.engine import artefacts
from harness.engine.annotated import Data
from harness.plugins.build import target
from harness.runs import sources
from harness.runs.identity import digest, versions

NONE = "none"
"""What is kept of a method that needs no artefact."""


def calibration(
    name: str, node: Mapping[str, Any], model: Model, data: str, found: Callable[[], str | None]
) -> str | None:
    """What `found` returns for a method with these values, from an earlier process where the code, the model, the
    pictures and the versions are the same. `data`: the run's `calibration`."""
    place = _place(name, node, model, data)
    if place is not None:
        with contextlib.suppress(OSError):
            known = place.read_text(encoding="ascii")
            if known == NONE or len(known) == len(digest({})):
                return None if known == NONE else known
    made = found()
    if place is not None:
        with contextlib.suppress(OSError):  # a folder that cannot be written only costs time
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(f".{place.name}.{os.getpid()}")
            fresh.write_text(made or NONE, encoding="ascii")
            fresh.replace(place)
    return made


def _place(name: str, node: Mapping[str, Any], model: Model, data: str) -> Path | None:
    """The file of all that the answer depends on; None where that cannot be told."""
    pictures = "embedded" if data == "auto" and getattr(model, "data", "") == "embedded" else data
    modules = [target(node).rpartition(".")[0], type(model).__module__, artefacts.__name__, Data.__module__]
    try:
        depends = {
            "method": name,
            "node": dict(node),
            "code": sources.code(modules),
            "packages": versions(model.packages),
            "model": model.fingerprint(),
            "data": [data, Data(pictures).fingerprint()],
        }
    except UsageError:
        return None
    return cache_folder() / "calibrations" / digest(depends)

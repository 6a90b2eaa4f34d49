"""A model made ready for a run: loaded under its methods, with what they calibrate themselves on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.engine import artefacts, memory
from harness.engine.play import steering
from harness.runs.environment import hardware

if TYPE_CHECKING:
    from harness.engine.plan import Plan


def prepared(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Load the model, precompute what methods need; facts for the run's record, and the hardware it plays on."""
    inner, config = steering(plan.methods), plan.config
    plan.model.load(inner)
    memory.start()
    made = artefacts.provide(inner, plan.model, config["calibration"], Path(config["results"]), say)
    return {"calibrations": made, "model_facts": plan.model.describe(), "hardware": hardware()}

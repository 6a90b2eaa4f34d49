"""A model made ready for a run: loaded under its methods, with what they calibrate themselves on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.engine import artefacts, memory
from harness.engine.play import steering
from harness.runs.environment import hardware

if TYPE_CHECKING:
    from harness.engine.plan import Plan


@dataclass(frozen=True)
class Prepared:
    """Facts for the run's record."""

    calibrations: list[dict[str, Any]]
    model_facts: dict[str, Any]
    hardware: dict[str, Any]


def prepared(plan: Plan, say: Callable[[str], None]) -> Prepared:
    """Load the model and precompute what methods need."""
    inner, config = steering(plan.methods), plan.config
    plan.model.say = say
    plan.model.load(inner)
    if plan.dress:
        plan.model.admit(plan.dress)
    memory.start()
    made = artefacts.provide(inner, plan.model, config["calibration"], Path(config["results"]), say)
    return Prepared(made, plan.model.describe(), hardware())

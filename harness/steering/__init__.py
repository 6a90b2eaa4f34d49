"""Edits the inside of a running Hugging Face model: write a `Steering` method, run it with `generate`."""

from harness.steering.batch import Batch
from harness.steering.generation import Generated, check, generate
from harness.steering.inputs import Inputs
from harness.steering.method import Steering
from harness.steering.probe import Probe, by_name
from harness.steering.requirements import require
from harness.steering.view import View

__all__ = ["Batch", "Generated", "Inputs", "Probe", "Steering", "View", "by_name", "check", "generate", "require"]

"""Edits the inside of a running Hugging Face model: write a `Steering` method, run it with `generate`."""

from harness.steering.anatomy import View
from harness.steering.entry import Generated, check, generate
from harness.steering.inputs import Inputs
from harness.steering.method import Steering
from harness.steering.run import Run

__all__ = ["Generated", "Inputs", "Run", "Steering", "View", "check", "generate"]

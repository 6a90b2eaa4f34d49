"""The vocabulary as plain types: no torch, no duckdb, nothing heavy."""

from harness.core.decoding import Decoding
from harness.core.drawing import Mark
from harness.core.errors import HarnessError, Missing, Unusable, UsageError
from harness.core.method import Method, Pipeline
from harness.core.model import Call, Model
from harness.core.picture import Picture
from harness.core.score import Score
from harness.core.task import Task
from harness.core.types import Message, Metric, Outcome, Reply, Request, Result, Sample, Step, user

__all__ = [
    "Call",
    "Decoding",
    "HarnessError",
    "Mark",
    "Message",
    "Method",
    "Metric",
    "Missing",
    "Model",
    "Outcome",
    "Picture",
    "Pipeline",
    "Reply",
    "Request",
    "Result",
    "Sample",
    "Score",
    "Step",
    "Task",
    "Unusable",
    "UsageError",
    "user",
]

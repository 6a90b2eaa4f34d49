"""What benchmarks/methods.py says of a method's published claim follows from the interval and the corrected p."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from harness.plugins.registry import ROOT, Registry
from harness.stats import Difference


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("benchmarks_methods", ROOT / "benchmarks/methods.py")
    assert spec and spec.loader
    sys.modules[spec.name] = made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    yield made
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("value", "low", "high", "p", "way", "said"),
    [
        (0.02, 0.01, 0.03, 0.01, 1, "found"),
        (0.02, 0.01, 0.03, 0.20, 1, "undecided"),  # beyond chance alone, but not among so many comparisons
        (-0.02, -0.03, -0.01, 0.01, 1, "not found"),  # the opposite
        (0.0, -0.004, 0.004, 1.0, 1, "not found"),  # less than a point is left
        (0.0, -0.02, 0.02, 1.0, 1, "undecided"),
        (-0.02, -0.03, -0.01, 0.01, -1, "found"),
        (0.0, -0.02, 0.004, 1.0, -1, "undecided"),
        (0.0, -0.004, 0.02, 1.0, -1, "not found"),
        (-0.02, -0.03, -0.01, 0.01, None, "found"),
        (0.0, -0.02, 0.004, 1.0, None, "undecided"),
        (0.001, -0.004, 0.006, 1.0, 0, "found"),
        (-0.02, -0.03, -0.012, 0.01, 0, "not found"),
        (-0.02, -0.05, 0.01, 0.4, 0, "undecided"),
        (0.02, None, None, None, 1, "undecided"),
    ],
)
def test_verdicts(script, value, low, high, p, way, said):
    assert script.verdict(Difference(value, 0.01, low, high, p, 100, 20), p, way) == said


def test_methods_with_claims_are_played_and_known(script):
    assert {c.method for c in script.CLAIMS} <= {*script.METHODS} <= {*Registry().methods}

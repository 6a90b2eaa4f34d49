"""Imported by a subprocess of test_hf, to show that a fingerprint needs no torch."""

from __future__ import annotations

from pathlib import Path

from harness.models.hf.model import HFModel

WEIGHTS = Path(__file__).parents[2] / "harness" / "models" / "tiny" / "weights"


def fingerprint() -> str:
    return HFModel("t", None, "embedded", str(WEIGHTS), None, "float32", "cpu", "sdpa", "auto", "auto").fingerprint()


def test_it_is_stable():
    assert fingerprint() == fingerprint()

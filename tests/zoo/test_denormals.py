"""Denormal numbers are zero while models of the zoo compute, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from harness.cli import main
from harness.zoo.denormals import flushed

SMALL = 1e-40


def kept() -> bool:
    return (torch.tensor([SMALL]) * 1).item() != 0


def test_they_are_zero_inside_alone():
    with flushed(), flushed():
        assert not kept()
    assert kept()
    with pytest.raises(KeyError), flushed():
        raise KeyError
    assert kept()


def test_a_run_leaves_the_process_as_it_was(workdir):
    assert main(["eval", "task=recall", "model=zoo", "limit=2", "logger=quiet"]) == 0
    assert kept()

"""Where names of objects are likeliest, and other tokens."""

from __future__ import annotations

import numpy as np
import pytest

from harness.embedded.smol_llava.excitation import excitation, naming


def test_tokens_of_names():
    offsets = [(0, 1), (1, 4), (4, 8), (8, 10), (10, 12), (12, 13)]
    assert naming("A Hot dogs in.", offsets).tolist() == [False, True, True, True, False, False]


def test_layers_by_hand():
    late, early = [0.1, 0.2, 0.9], [0.1, 0.7, 0.3]
    first = np.array([late, early, early, late]).T, np.array([True, False, False, False])
    second = np.array([late, early, late]).T, np.array([True, True, False])
    only_names = np.array([early]).T, np.array([True])
    found = excitation([first, second, only_names])
    assert found["captions"] == 2
    assert (found["early_names"], found["early_others"]) == (0.25, pytest.approx(1 / 3, abs=1e-3))
    assert (found["layer_names"], found["layer_others"]) == (2.75, pytest.approx(8 / 3, abs=1e-3))
    assert found["early_difference"] == pytest.approx(0.25 - 1 / 3, abs=1e-3)

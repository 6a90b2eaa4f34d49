"""INTER against the sampler of xxxxx313/INTER, driven with LLaVA."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.methods.made import made
from tests.parity.geometry_common import agrees, answer, cases


@pytest.mark.parametrize("k", [0.0, 4.0])
def test_answers(k, monkeypatch):
    noise = torch.from_numpy(np.random.RandomState(9).rand(1, 3, 336, 336).astype(np.float32))
    monkeypatch.setattr("harness.methods.decoding.inter.uniform", lambda pixels, seed: noise)
    for case in cases("inter", k=k):
        agrees(answer(case, [made("inter", k=k)]), case, 5)  # z + (z - z_i - z_q + z_0)

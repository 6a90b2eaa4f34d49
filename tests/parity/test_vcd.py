"""VCD against DAMO-NLP-SG/VCD, with the authors' draw of the noise."""

from __future__ import annotations

import pytest
import torch

from harness.methods.decoding.vcd import noised
from tests.methods.made import made
from tests.parity.common import agrees, arrays, cases, inputs, play, sample, view

SAMPLER = {"alpha": 0.5, "beta": 0.1}
"""What the released sampler uses where nothing is passed to it."""


@pytest.fixture
def drawn(monkeypatch):
    """Makes the next draws those of the authors' run on picture n."""
    return lambda n: monkeypatch.setattr(torch, "randn", lambda *_, **__: torch.from_numpy(arrays("vcd")[f"noise{n}"]))


def method(case):
    if case["variant"] == "vanilla":
        return []
    values = {name: case[name] if case[name] is not None else other for name, other in SAMPLER.items()}
    return [made("vcd", **values, noise_step=case["step"])]


@pytest.mark.parametrize("n", range(4))
def test_answers(n, drawn):
    v = view()
    drawn(n)
    for case in cases("vcd", sample=n):
        ours = method(case)
        agrees(play(v, sample(v, n), ours), case, 1 + 2 * ours[0].alpha if ours else 1)


@pytest.mark.parametrize("step", [500, 999])
def test_noised_pixels(step, drawn):
    drawn(0)
    ours, theirs = noised(torch.from_numpy(inputs()["pixels0"]), step, 0), arrays("vcd")[f"noised0_{step}"]
    torch.testing.assert_close(ours, torch.from_numpy(theirs), atol=1e-5, rtol=0)

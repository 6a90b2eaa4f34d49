"""PAINT against hasanar1f/PAINT: without cfg, with it as released, and with it and the first pass edited."""

from __future__ import annotations

import pytest
import torch

from harness.methods.attention.paint import select
from harness.steering.vision import Tower
from tests.methods.made import made
from tests.parity.common import arrays
from tests.parity.geometry_common import agrees, answer, cases, sample, view

FORMS = {"p7_4": "paper", "p7_4_cfg": "code", "p7_4_cfg_fixed": "paper"}


def method(case):
    gamma = case["gamma"] if case["use_cfg"] else 1.0
    values = {"alpha": case["alpha"], "beta": case["beta"], "gamma": gamma, "form": FORMS[case["setting"]]}
    return [made("paint", **values, start=8, end=32)]


@pytest.mark.parametrize("setting", FORMS)
def test_answers(setting):
    for case in cases("paint", setting=setting):
        agrees(answer(case, method(case)), case, 2 * case.settings.get("gamma", 1.0) - 1)


def test_patches():
    v = view("plain")
    tower = Tower(v, "paint")
    for n in range(4):
        maps = [a.sum(1)[0] for a in tower.attentions(sample(n, n).tensors["pixel_values"], (0, -2))]
        for name, ours in zip(("top", "bottom"), select(*maps, 0.25), strict=True):
            theirs = torch.from_numpy(arrays("geometry/paint")[f"{name}{n}"]).long()
            assert torch.equal(ours.nonzero()[:, 0], theirs.sort().values), (name, n)

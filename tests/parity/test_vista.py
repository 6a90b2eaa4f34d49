"""VISTA against LzVv123456/VISTA."""

from __future__ import annotations

import pytest
import torch

from harness.steering import Batch
from harness.steering.forward import peek
from tests.methods.made import made
from tests.parity.common import agrees, arrays, cases, play, sample, view

FACTOR = {"vanilla": 1, "nopca": 2, "released": 2}
"""Early-exit logits of unnormalised states are larger than the final ones."""


def method(case):
    values = {"lam": case["lam"], "gamma": case["gamma"], "form": "code", "pca": case["variant"] == "released"}
    return [] if case["variant"] == "vanilla" else [made("vista", **values)]


@pytest.mark.parametrize("variant", FACTOR)
def test_answers(variant):
    v = view()
    for case in cases("vista", variant=variant):
        got = play(v, sample(v, case["sample"]), method(case), case["beams"])
        agrees(got, case, FACTOR[variant])


@pytest.mark.parametrize(("n", "pca"), [(1, True), (4, False)])
def test_the_steering_vector(n, pca):
    v = view()
    ours = made("vista", lam=0.17, pca=pca)
    run = Batch(v, [ours], [sample(v, 0)], peek=peek)
    with torch.no_grad():
        ours.prepare(run)
    theirs = torch.from_numpy(arrays("vista")[f"vector_{n}"])
    torch.testing.assert_close(ours.vector[0], theirs, atol=2e-4, rtol=1e-5)


def test_the_released_pca_is_one_number():
    with_pca, without = (torch.from_numpy(arrays("vista")[f"vector_{n}"]) for n in (1, 4))
    added = torch.zeros(32, 32)
    added[0, 0] = 1.0
    torch.testing.assert_close(with_pca - without, added, atol=1e-6, rtol=0)

"""Circuits of heads, and what two tasks share of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom, spearmanr

from benchmarks.circuits import in_front
from harness.comparison.circuits import circuit, overlap, stacked
from harness.core import UsageError
from harness.core.readings import Reading

IDS = [f"c{i}" for i in range(30)]


def effects(strong, seed=0):
    """Thirty prompts of ten layers of ten heads: noise, and some heads with an effect of either sign."""
    x = np.random.default_rng(seed).normal(0, 0.1, (30, 10, 10))
    for n, (l, h) in enumerate(strong):
        x[:, l, h] += 3 - n if n % 2 else n - 4
    return x


def test_a_circuit_is_the_heads_of_largest_effect():
    assert circuit(effects([(3, 4), (9, 0)]).mean(0)) == [(3, 4), (9, 0)]
    assert len(circuit(np.zeros((4, 4)))) == 1 and len(circuit(np.zeros((4, 4)), 1.0)) == 16
    with pytest.raises(UsageError, match="share=0 is not a share of the heads"):
        circuit(np.zeros((4, 4)), 0)


def test_what_two_tasks_share():
    a, b = effects([(3, 4), (9, 0)]), effects([(3, 4), (1, 1)], 1)
    found = overlap(a, b, (IDS, IDS))
    assert found.both == [(3, 4)] and found.share == 0.5 and found.chance == 0.02
    assert found.p == pytest.approx(hypergeom.sf(0, 100, 2, 2)) == pytest.approx(0.0398, abs=1e-3)
    assert (found.low, found.high) == (0.5, 0.5), "each resample finds the same ones"
    assert found.correlation == pytest.approx(spearmanr(a.mean(0).ravel(), b.mean(0).ravel()).statistic)
    alike = overlap(a, a, (IDS, IDS))
    assert alike.share == 1 and alike.correlation == pytest.approx(1) and alike.p == pytest.approx(1 / 4950)


def test_noise_shares_what_chance_shares():
    found = overlap(effects([]), effects([], 1), (IDS, IDS), 0.2)
    assert found.low <= 0.2 <= found.high and found.p > 0.05
    few = overlap(effects([]), effects([], 1), (IDS, ["one"] * 30), 0.2)
    assert np.isnan(few.low) and np.isnan(few.high)


def test_what_cannot_be_compared():
    with pytest.raises(UsageError, match="other numbers of layers and heads"):
        overlap(effects([]), effects([])[:, :4], (IDS, IDS))
    with pytest.raises(UsageError, match=r"heads.difference is not a reading of heads: name one such as heads.patched"):
        stacked({"s": Reading(1.0)}, "heads.difference")


class Read:
    """A run of one prompt, of which one reading is known."""

    def __init__(self, **effects):
        self.effects = np.zeros((10, 10))
        for head, value in effects.items():
            self.effects[int(head[1]), int(head[2])] = value

    def circuit(self, name):
        return circuit(self.effects)

    def reading(self, name):
        return {"s": Reading(self.effects, ("layer", "head"))}


def test_what_is_repaired():
    """Heads of layers in front of all movers, whose paths bring the answer, and the one that speaks most against it."""
    paths, receivers = Read(h80=5, h91=4, h92=-3), Read(h81=9, h33=0.5, h41=0.4, h20=0.3, h50=-2)
    assert in_front(paths, receivers) == [(3, 3), (4, 1), (2, 0), (9, 2)]  # type: ignore[arg-type]

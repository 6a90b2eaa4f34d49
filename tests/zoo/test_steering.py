"""Steering methods act on models of the zoo where they have named attention, and are refused where they have none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.models.zoo.steered import check, read
from harness.plugins.registry import Registry
from harness.steering import Probe, Steering
from harness.zoo.network import Network, Shape

VALUES = torch.from_numpy(np.random.default_rng(0).integers(6, size=(3, 8)))


class Weights(Steering):
    """Records attention, and may turn it to the first position."""

    name = "weights"
    attention_rows = "all"

    def __init__(self, sink: bool = False):
        self.sink, self.seen = sink, {}

    def attention_weights(self, l, w, batch):
        self.seen[l] = w.clone()
        if not self.sink:
            return None
        w = torch.zeros_like(w)
        w[..., 0] = 1
        return w

    def measured(self, batch, passes):
        return {"first": self.seen[0][:, :, :, 0].mean((1, 2)).tolist()}


class Noisy(Steering):
    name = "noisy"

    def residual(self, l, h, batch):
        return h + 1

    def heads(self, l, x, batch):
        return x * 2


def network(*mixers: str, **more) -> Network:
    torch.manual_seed(0)
    options = {"window": {"window": 3}}
    return Network(Shape(tuple((m, options.get(m, {})) for m in mixers), width=8, symbols=6, classes=6, **more)).eval()


@pytest.mark.parametrize("mixer", ["softmax", "window", "gated"])
def test_attention_is_seen_and_edited(mixer):
    net = network(mixer, mixer)
    with torch.no_grad():
        plain = net.model(VALUES)
        seen = Weights()
        reading = read(net, VALUES, [seen])
        assert torch.equal(reading.states, plain), "a method that changes nothing changes no bit"
        for w in seen.seen.values():
            assert w.shape == (3, 1, 8, 8) and torch.allclose(w.sum(-1), torch.ones(3, 1, 8))
            assert not w.triu(1).any()
        if mixer == "window":
            assert not seen.seen[0].tril(-3).any()
        assert len(reading.measures) == 3 and 0 < reading.measures[0]["first"] <= 1
        edited = read(net, VALUES, [Weights(sink=True)]).states
        assert not torch.allclose(edited, plain)
        assert not torch.allclose(read(net, VALUES, [Noisy()]).states, plain)
        assert torch.equal(net.model(VALUES), plain), "hooks are removed"


class First(Probe):
    """Reads the share of attention that the first position gets."""

    name = "first"
    attention_rows = "all"

    def attention_weights(self, l, w, batch):
        self.keep("share", l, w[..., 0].mean((1, 2)), batch)

    def readings(self, batch, passes):
        return {"share": [Reading(self.kept("share", i, 1)[:, 0], ("layer",)) for i in range(len(batch.samples))]}


def test_a_probe_reads_each_series_behind_the_edits():
    found = read(network("softmax", "softmax"), VALUES, [First()])
    shares = [one["first.share"].values for one in found.readings]
    assert len(shares) == 3 and all(s.shape == (2,) and 0 < s.min() <= s.max() < 1 for s in shares)
    sunk = read(network("softmax", "softmax"), VALUES, [Weights(sink=True), First()]).readings
    assert all((one["first.share"].values == 1).all() for one in sunk)
    assert read(network("softmax"), VALUES, [Weights()]).readings == [{}, {}, {}]


def test_the_probe_of_sinks_reads_models_without_an_mlp():
    net = network("softmax")
    sinks = Registry().get("method", "sinks").build()
    plain = read(net, VALUES, [sinks]).readings
    sunk = read(net, VALUES, [Weights(sink=True), sinks]).readings
    assert all(0 < one["sinks.first_layers"].value < 1 and "sinks.mlp_massive_layers" not in one for one in plain)
    assert all(one["sinks.first_layers"].value == 1 for one in sunk)


def test_what_cannot_be_steered_is_refused():
    with pytest.raises(UsageError, match="has no self-attention that steering knows"):
        read(network("linear"), VALUES, [Weights()])
    with pytest.raises(UsageError, match="which the mixer Lla computes in its own way"):
        read(network("lla"), VALUES, [Weights()])

    class Chooser(Steering):
        name = "chooser"

        def logits(self, z, batch):
            return z

    with pytest.raises(UsageError, match="method=chooser needs logits, but model=zoo reads a series in one pass"):
        check([Chooser()])

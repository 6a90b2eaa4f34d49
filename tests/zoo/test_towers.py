"""Towers: patterns by brute force, equal to dense attention at full size, and readouts by their definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from harness.core.errors import UsageError
from harness.methods._shared.attentive import Attentive
from harness.methods._shared.tiles import joined
from harness.methods.tower.bi_level import BiLevel, regions
from harness.steering.places import single
from harness.zoo.towers.pattern import Pattern, known, make
from harness.zoo.towers.readouts import READOUTS, Ep, readout
from harness.zoo.towers.tower import Shape, Tower

SIDE, WIDTH, HEADS = 6, 16, 2
OPTIONS = {"window": {"window": 3}, "neighborhood": {"kernel": 3}, "bi_level": {"regions": 3, "top": 4}}
OPTIONS |= {"vsa": {"window": 3}, "dense": {}}
FULL = {"window": {"window": SIDE}, "neighborhood": {"kernel": SIDE}, "vsa": {"window": SIDE}}
FULL |= {"bi_level": {"regions": 3, "top": 9, "conv": 0}}


def pattern(name: str, seed: int = 0, **options) -> Pattern:
    torch.manual_seed(seed)
    return make(name, WIDTH, HEADS, SIDE, options or OPTIONS[name]).double()


def states(rows: int = 2, seed: int = 1) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 1 + SIDE**2, WIDTH, dtype=torch.float64, generator=drawn)


def copied(to: Pattern, of: Pattern) -> Pattern:
    """With the projections of another pattern."""
    to.load_state_dict(of.state_dict(), strict=False)
    return to


def grid():
    return itertools.product(range(SIDE), repeat=2)


def window_rule(a, b):
    return a[0] // 3 == b[0] // 3 and a[1] // 3 == b[1] // 3


def neighborhood_rule(a, b):
    starts = (min(max(i - 1, 0), SIDE - 3) for i in a)
    return all(s <= j < s + 3 for s, j in zip(starts, b, strict=True))


@pytest.mark.parametrize(("name", "rule"), [("window", window_rule), ("neighborhood", neighborhood_rule)])
def test_masks_equal_brute_force(name, rule):
    made = pattern(name)
    wanted = torch.tensor([[rule(a, b) for b in grid()] for a in grid()])
    seen = made.seen(*[states()] * 2)
    assert torch.equal(seen[1:, 1:], wanted) and seen[0].all() and seen[:, 0].all()
    assert made.keys() == pytest.approx((36 * 10 + 37) / 37)


def test_routing_is_that_of_the_method():
    made = pattern("bi_level")
    q, k = (torch.randn(2, HEADS, 1 + SIDE**2, 4, dtype=torch.float64) for _ in range(2))
    places = single(SIDE, SIDE, 1)
    untrained = BiLevel(3, 4, False, 0, 24)
    part = untrained._routed(regions(places.grids[0], 3), q, k)
    assert torch.equal(made.seen(q, k)[:, 0], joined(places, [part], torch.device("cpu")).mask)
    assert made.keys() == pytest.approx((36 * 17 + 37) / 37)


@pytest.mark.parametrize("name", FULL)
def test_at_full_size_it_is_dense_attention(name):
    dense = pattern("dense")
    full = copied(pattern(name, 3, **FULL[name]), dense)
    with torch.no_grad():
        assert torch.allclose(full(states()), dense(states()), atol=1e-6)


@torch.no_grad()
def test_windows_of_varied_size_start_as_plain_ones_and_follow_their_regressors():
    window = pattern("window")
    vsa = copied(pattern("vsa", 3), window)
    assert torch.allclose(vsa(states()), window(states()), atol=1e-6)
    vsa.scale.bias.fill_(1.0)  # twice as wide, about the same centre
    at = vsa.sampled(states())[0, 0]
    axis = torch.linspace(-1, 1, SIDE, dtype=torch.float64)
    middle = axis[:3].mean()
    assert torch.allclose(at[0, :3, 0], middle + 2 * (axis[:3] - middle))
    assert torch.allclose(at[:3, 0, 1], at[0, :3, 0]) and torch.allclose(at[3:, 3:], -at[:3, :3].flip(0, 1))
    vsa.scale.bias.zero_()
    vsa.offset.bias[::2] = 2.0 / 2  # in x by half a picture, over two windows: half a window's step
    moved = vsa.sampled(states())
    assert torch.allclose(moved[..., 0] - vsa.places[..., 0], torch.full((), 0.5, dtype=torch.float64))
    assert torch.equal(moved[..., 1], vsa.places[..., 1].expand_as(moved[..., 1]))


@pytest.mark.parametrize("name", known())
def test_contract(name):
    made, x = pattern(name), states()
    if name == "vsa":
        torch.nn.init.normal_(made.scale.weight)
        torch.nn.init.normal_(made.offset.weight)
    y = made(x)
    assert y.shape == x.shape and torch.allclose(made(x[:1]), y[:1], atol=1e-12), "a picture depends on its neighbours"
    moved = x.clone()
    moved[:, -1] += 1
    assert not torch.allclose(made(moved)[:, 0], y[:, 0]), "the class token sees the last patch"
    moved = x.clone()
    moved[:, 0] += 1
    assert ((made(moved) - y).abs().amax(-1) > 1e-9).all(), "all see the class token"
    y.square().sum().backward()
    for key, weight in made.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.abs().sum() > 0, key


def test_the_convolution_of_values_is_depth_wise():
    made = pattern("bi_level")
    plain = copied(pattern("bi_level", regions=3, top=4, conv=0), made)
    with torch.no_grad():
        made.conv.weight.zero_()
        made.conv.bias.zero_()
        assert torch.allclose(made(states()), plain(states()), atol=1e-12)
        made.conv.weight[:, 0, 2, 2] = 1.0  # adds the value of the patch itself, before the last projection
        values = made.v_proj(states())
        values[:, 0] = 0
        wanted = plain(states()) + values @ made.o_proj.weight.T
        assert torch.allclose(made(states()), wanted, atol=1e-12)


def test_what_a_tower_cannot_be_is_one_line():
    with pytest.raises(UsageError, match="unknown pattern of a tower: windw: did you mean window"):
        make("windw", 8, 2, 4, {})
    with pytest.raises(UsageError, match="unknown option of window: windw: did you mean window"):
        make("window", 8, 2, 4, {"windw": 2})
    for name, options in {"window": {"window": 4}, "neighborhood": {"kernel": 7}, "bi_level": {"regions": 4}}.items():
        with pytest.raises(UsageError, match=f"{name} refuses its options"):
            make(name, WIDTH, HEADS, SIDE, options)


def tower(**values) -> Tower:
    torch.manual_seed(0)
    return Tower(Shape((("dense", {}),), WIDTH, 2, HEADS, 2, 2, 12, 5, queries=4, **values)).eval()


@torch.no_grad()
def test_the_attentive_readout_is_efficient_probing():
    x = torch.randn(3, 1 + SIDE**2, WIDTH)
    pool = Ep(WIDTH, 4)
    none, one = torch.zeros(0), torch.ones(1)
    probe = Attentive(pool.queries, pool.values.weight, none, none, none, none, one)
    there = torch.ones(3, SIDE**2, dtype=torch.bool)
    assert torch.allclose(pool(x), probe.pooled(x[:, 1:], there), atol=1e-5)
    assert torch.allclose(pool.attention(x).sum(-1), torch.ones(3, 4))
    before = pool(x)
    pool.queries[1] += 1
    changed = (pool(x) - before).abs().amax(0) > 1e-7
    assert changed[4:8].all() and not changed[:4].any() and not changed[8:].any(), "a query pools its own slice alone"
    pool.queries.zero_()
    pool.values.weight.copy_(torch.eye(WIDTH))
    assert torch.allclose(pool(x), x[:, 1:].mean(1), atol=1e-6)
    same = x[:, :2].repeat(1, 9, 1)[:, [0] + [1] * 8]
    assert torch.allclose(pool(same), same[:, 1], atol=1e-6), "of equal patches queries choose nothing"


def test_readouts_have_the_parameters_that_the_paper_counts():
    counts = {r: sum(p.numel() for p in readout(r, WIDTH, 5, 4)[0].parameters()) for r in READOUTS}
    assert counts == {"ep": 4 * WIDTH + WIDTH**2, "linear": 0, "mean": 0, "mha": 2 * WIDTH**2 + 3 * WIDTH}


@torch.no_grad()
def test_hidden_patches_are_not_seen():
    made, values = tower(masked=True), torch.randn(2, 4, 12)
    hidden = torch.tensor([[True, False, False, True]] * 2)
    other = torch.where(hidden[..., None], torch.randn(2, 4, 12), values)
    assert torch.equal(made(values, hidden), made(other, hidden))
    assert not torch.allclose(made(values), made(other))


@torch.no_grad()
def test_answers_are_those_of_the_readout():
    made, values = tower(), torch.randn(2, 4, 12)
    for name in READOUTS:
        pool, _, head = made.readouts[name]
        assert np.allclose(made.answers(values, name), head(pool(made(values)) / (1 + 1e-6) ** 0.5), atol=1e-5)

"""Patterns in the vision tower: their rules against brute force, equality with dense attention, composition, costs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.playing import differ, play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods._shared.tiles import axis, crossed, joined, neighborhood
from harness.methods.tower.bi_level import regions
from harness.steering import Batch
from harness.steering.places import Places, single
from tests.methods.made import made

CPU = torch.device("cpu")
FAMILIES = ("llava", "gemma3", "qwen2_vl", "internvl")
"""CLIP, SigLIP, Qwen2-VL and InternVL."""


def seen_by(i: int, n: int, kernel: int, dilation: int, stride: int, causal: bool) -> set[int]:
    """NATTEN's rule in words: the window of a query's leader, within its dilation group."""
    group = list(range(i % dilation, n, dilation))
    place = group.index(i)
    run = place // stride * stride
    if causal:
        leader = min(run + stride - 1, len(group) - 1)
        return set(group[max(leader - kernel + 1, 0) : place + 1])
    leader = min(run + stride // 2, len(group) - 1)
    start = min(max(leader - kernel // 2, 0), len(group) - kernel)
    return set(group[start : start + kernel])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_rule_of_an_axis_is_the_words(data):
    n = data.draw(st.integers(1, 17))
    kernel = data.draw(st.integers(1, n))
    dilation = data.draw(st.integers(1, n // kernel))
    stride, causal = data.draw(st.integers(1, kernel)), data.draw(st.booleans())
    mask = neighborhood(n, kernel, dilation, stride, causal)
    for i in range(n):
        expected = seen_by(i, n, kernel, dilation, stride, causal)
        assert set(mask[i].nonzero().flatten().tolist()) == expected
        assert causal or len(expected) == kernel, "windows are shifted at the borders, and not cut"
    tiles = axis(mask, data.draw(st.integers(1, n)), dilation)
    part = crossed(tiles, axis(torch.ones(1, 1, dtype=torch.bool)), torch.arange(n)[:, None])
    assert torch.equal(joined(single(n, 1, 0), [part], CPU).mask[0], mask), "in tiles of any length"


def test_stride_as_long_as_the_kernel_is_plain_windows():
    block = torch.arange(12) // 4
    assert torch.equal(neighborhood(12, 4, stride=4), block == block[:, None])


def test_both_axes_class_tokens_and_several_crops():
    """Two crops of different sizes behind two registers; a crop sees itself, and all see the registers."""
    grids = (torch.arange(12).view(3, 4) + 2, torch.arange(20).view(5, 4) + 14)
    pattern = made("neighborhood", kernel=2).pattern(Places(34, grids), CPU)
    expected = torch.zeros(34, 34, dtype=torch.bool)
    for grid in grids:
        a, b = (neighborhood(n, 2) for n in grid.shape)
        own = (a[:, None, :, None] & b[None, :, None, :]).flatten(2).flatten(0, 1)
        expected[grid.flatten()[:, None], grid.flatten()] = own
    expected[:2] = expected[:, :2] = True
    assert torch.equal(pattern.mask[0], expected)
    q, k, v = torch.randn(3, 2, 2, 34, 8)
    dense = F.scaled_dot_product_attention(q, k, v, attn_mask=expected, scale=1.0)
    torch.testing.assert_close(pattern.gathered(q, k, v, 1.0), dense)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("method", "whole"), [("neighborhood", {"kernel": 1.0}), ("bi_level", {"top": 1.0})])
def test_full_size_is_dense_attention(method, whole, family):
    """Through tiles that see all, in every layer."""
    v, inputs = view(family), [sample(family, 0)]
    full = made(method, start=0, end=24, **whole)
    pattern = type(full).tower_visible

    def gathered(l, q, k, batch):
        found = pattern(full, l, q, k, batch)
        object.__setattr__(found, "attend", found.gathered)
        assert found.mask.all()
        return found

    full.tower_visible = gathered
    same(play(v, inputs, [full]), play(v, inputs))


def test_routing_is_that_of_the_paper():
    """One region after the other: mean query times mean keys over all heads, the best two, attention over their
    patches and the class token."""
    b, heads, size, side = 2, 3, 4, 6
    q, k, v = torch.randn(3, b, heads, 1 + side * side, size)
    batch = Batch(view("llava"), [], [])
    batch.places = single(side, side, 1)
    seen = made("bi_level", regions=2, top=2).tower_visible(0, q, k, batch)
    out = seen.gathered(q, k, v, 0.5)
    tokens = {
        (r, c): [1 + y * side + x for y in range(3 * r, 3 * r + 3) for x in range(3 * c, 3 * c + 3)]
        for r in range(2)
        for c in range(2)
    }
    for row in range(b):
        means = {at: (q[row, :, t].mean(1).flatten(), k[row, :, t].mean(1).flatten()) for at, t in tokens.items()}
        for at, own in tokens.items():
            ranked = sorted(tokens, key=lambda other: -float(means[at][0] @ means[other][1]))[:2]
            keys = [0, *(t for other in ranked for t in tokens[other])]
            alone = F.scaled_dot_product_attention(q[row, :, own], k[row, :, keys], v[row, :, keys], scale=0.5)
            torch.testing.assert_close(out[row, :, own], alone)
    whole = F.scaled_dot_product_attention(q[:, :, :1], k, v, scale=0.5)
    torch.testing.assert_close(out[:, :, :1], whole)


def test_routing_knows_no_positions():
    """Regions that change places change their results' places, and nothing else."""
    q, k, v = torch.randn(3, 1, 2, 16, 4)
    batch = Batch(view("llava"), [], [])
    batch.places = single(4, 4, 0)
    method, tiles = made("bi_level", regions=2, top=2), regions(torch.arange(16).view(4, 4), 2)
    moved = torch.empty(16, dtype=torch.long)
    moved[tiles.flatten()] = tiles[[2, 0, 3, 1]].flatten()
    plain = method.tower_visible(0, q, k, batch).attend(q, k, v, 1.0)
    qm, km, vm = (x[:, :, moved] for x in (q, k, v))
    torch.testing.assert_close(method.tower_visible(0, qm, km, batch).attend(qm, km, vm, 1.0), plain[:, :, moved])


def test_regions_of_a_grid_that_they_do_not_divide():
    tiles = regions(torch.arange(35).view(5, 7), 3)
    assert tiles.shape == (9, 6) and sorted(t for t in tiles.flatten().tolist() if t >= 0) == list(range(35))
    own = made("bi_level", regions=3, top=0.1, own=True)
    q, k = torch.randn(2, 1, 2, 35, 4)
    batch = Batch(view("llava"), [], [])
    batch.places = Places(35, (torch.arange(35).view(5, 7),))
    assert torch.equal(own.tower_visible(0, q, k, batch).keys[0], tiles), "the one region that it sees is itself"


def test_two_patterns_meet():
    """What both allow is seen, whatever their order."""
    v, inputs = view("llava"), [sample("llava", 0)]
    one, two = made("neighborhood", kernel=2), made("bi_level", regions=2, top=2)
    both = play(v, inputs, [one, two])
    same(both, play(v, inputs, [two, one]))
    differ(both, play(v, inputs, [one]), 1e-5)
    differ(both, play(v, inputs, [two]), 1e-5)
    assert both[0].measures["visible_keys"] < play(v, inputs, [one])[0].measures["visible_keys"]


def test_methods_that_walk_the_tower_by_themselves_are_refused():
    v, inputs = view("llava"), [sample("llava", 0)]
    with pytest.raises(UsageError, match="method=neighborhood acts in the vision tower, which method=flowcut walks"):
        play(v, inputs, [made("neighborhood"), made("flowcut")])
    with pytest.raises(UsageError, match="method=neighborhood cannot run beside method=paint"):
        play(v, inputs, [made("neighborhood"), made("paint")])


def test_what_is_seen_is_a_score():
    """Both layers of a 4 x 4 grid: windows of 2 x 2 and the class token, and the class token's row."""
    v = view("llava")
    inputs = [sample("llava", 0, shared=True), sample("llava", 1, shared=True), sample("llava", 2, picture=None)]
    found = [g.measures for g in play(v, inputs, [made("neighborhood", kernel=2, start=0, end=24)])]
    keys = (16 * 5 + 17) / 17
    assert found[0]["visible_keys"] == pytest.approx(keys) and found[0] == found[1] and found[2] == {}
    assert found[0]["visible_share"] == pytest.approx(keys / 17)
    dense = play(v, inputs[:1], [made("neighborhood", kernel=1.0)])[0].measures
    assert dense["visible_share"] == 1 and dense["tower_gflops"] > found[0]["tower_gflops"]


@pytest.mark.parametrize(
    ("method", "values", "words"),
    [
        ("neighborhood", {"kernel": 0}, "kernel=0 must be a share"),
        ("neighborhood", {"kernel": 2.5}, "kernel=2.5 must be a share"),
        ("neighborhood", {"kernel": 3, "stride": 4}, "stride=4 must not be more than kernel=3"),
        ("neighborhood", {"dilation": 0}, "dilation=0 must be 1 or more"),
        ("neighborhood", {"stride": "rows"}, "stride=rows must be 1 or more, or kernel"),
        ("neighborhood", {"start": 9, "end": 9}, "start=9, end=9 must be 0 <= start < end <= 24"),
        ("bi_level", {"regions": 0}, "regions=0 must be 1 or more"),
        ("bi_level", {"top": 1.5}, "top=1.5 must be a share"),
    ],
)
def test_values_that_are_refused(method, values, words):
    with pytest.raises(UsageError, match=words):
        made(method, **values)


def test_layers_are_those_of_24():
    method = made("neighborhood")
    assert list(method.tower_layers(view("llava"))) == [0, 1]
    assert list(made("neighborhood", start=0, end=1).tower_layers(view("llava"))) == [0], "one at least"
    assert list(method.tower_layers(view("llama"))) == []

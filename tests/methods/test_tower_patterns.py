"""Patterns in the vision tower: their rules against brute force, equality with dense attention, composition, costs."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.playing import differ, play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.core.windows import neighborhood
from harness.methods._shared.tiles import axis, crossed, joined
from harness.methods.tower.bi_level import regions
from harness.steering import Batch
from harness.steering.places import Places, single
from harness.steering.tower import tower_of
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
    part = crossed(tiles, axis(torch.ones(1, 1, dtype=torch.bool), 1), torch.arange(n)[:, None])
    assert torch.equal(joined(single(n, 1, 0), [part], CPU).mask[0], mask), "in tiles of any length"


def test_stride_as_long_as_the_kernel_is_plain_windows():
    block = torch.arange(12) // 4
    assert torch.equal(neighborhood(12, 4, stride=4), block == block[:, None])


def test_both_axes_class_tokens_and_several_crops():
    """Two crops of different sizes behind two registers; a crop sees itself, and all see the registers."""
    grids = (torch.arange(12).view(3, 4) + 2, torch.arange(20).view(5, 4) + 14)
    pattern = made("neighborhood", kernel=2).pattern(Places(34, grids), tower_of(view("llava"), "test"), CPU)
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


# -- larger pictures, and fewer patches


def test_windows_are_those_of_training():
    """4 x 4 patches in training: reach 2, a window of 5 x 5 that is pushed inside, of 8 x 8 patches."""
    tower, places = tower_of(view("llava"), "test"), single(8, 8, 1)
    seen = made("inward_window").pattern(places, tower, CPU)
    rows = [set(range(min(max(y - 2, 0), 3), min(max(y - 2, 0), 3) + 5)) for y in range(8)]
    for y in range(8):
        for x in range(8):
            own = {0, *(1 + 8 * r + c for r in rows[y] for c in rows[x])}
            assert set(seen.mask[0, 1 + 8 * y + x].nonzero().flatten().tolist()) == own
    assert seen.count[0, 1:].unique().tolist() == [26] and seen.count[0, 0] == 65
    cut = made("inward_window", window="cut").pattern(places, tower, CPU)
    assert cut.count[0, 1] == 10 and not (cut.mask & ~seen.mask).any()
    assert made("inward_window", window="full").pattern(places, tower, CPU) is None
    assert made("inward_window").pattern(single(4, 4, 1), tower, CPU).mask.all(), "at its own size it is dense"


def test_a_larger_picture_becomes_as_many_tokens():
    """Each token is the mean of its four patches, and the class token stays."""
    v, found = view("llava"), []
    method = made("inward_window", window="full")
    pooled = method.tower_output

    def tower_output(h, batch):
        found.extend((h, pooled(h, batch)))
        return found[1]

    method.tower_output = tower_output
    (out,) = play(v, [sample("llava", 0)], [method])
    large, small = found
    assert large.shape == (1, 65, 16) and small.shape == (1, 17, 16)
    torch.testing.assert_close(small[:, 1], large[:, [1, 2, 9, 10]].mean(1))
    assert torch.equal(small[:, 0], large[:, 0]) and out.measures["visible_keys"] == 65
    less = play(v, [sample("llava", 0)], [made("inward_window")])[0].measures
    assert less["visible_keys"] == pytest.approx((64 * 26 + 65) / 65)
    assert less["tower_gflops"] < out.measures["tower_gflops"]


def test_sizes_between_are_whole_patches():
    v, one = view("llava"), sample("llava", 0)
    assert made("inward_window", factor=1.4).rewrite(one, v).tensors["pixel_values"].shape == (1, 3, 84, 84)
    assert play(v, [one], [made("inward_window", factor=1.4)])[0].tokens
    assert made("inward_window", factor=1.0).rewrite(one, v) is None


def test_the_class_token_of_a_second_pass():
    """No share of it is no pass; a share of nothing changes nothing; all of it is the plain tower's, layer by layer."""
    v, inputs, found = view("llava"), [sample("llava", i, picture=i) for i in range(2)], []
    plain = play(v, inputs, [made("inward_window")])
    same(play(v, inputs, [made("inward_window", blend=1e-9)]), plain)
    whole = made("inward_window", blend=1.0)
    residual = whole.tower_residual

    def tower_residual(l, h, batch):
        found.append(residual(l, h, batch)[:, 0])
        return residual(l, h, batch)

    whole.tower_residual = tower_residual
    made_whole = play(v, inputs, [whole])
    assert made_whole[0].measures["tower_gflops"] > plain[0].measures["tower_gflops"]
    pixels = torch.cat([v.enlarged(one.request, 2.0) for one in inputs])
    own = F.interpolate(pixels, size=(56, 56), mode="bicubic", antialias=True)
    states = v.model.base_model.vision_tower(own, output_hidden_states=True).hidden_states
    for l in range(2):
        torch.testing.assert_close(found[l], states[l + 1][:, 0])
    with pytest.raises(UsageError, match=r"blend=0\.5 needs a class token"):
        play(view("gemma3"), [sample("gemma3", 0)], [made("inward_window", blend=0.5)])


def test_entropy_scales_scores():
    batch = Batch(view("llava"), [], [])
    q = torch.ones(1, 2, 65, 8)
    scaled, k, v = made("inward_window", entropy=True).tower_qkv(0, q, q, q, batch)
    assert scaled[0, 0, 0, 0] == pytest.approx((math.log(65) / math.log(17)) ** 0.5) and k is q and v is q


@pytest.mark.parametrize("by", ["uniform", "random"])
def test_pruning_without_looking(by):
    """As many patches as asked, in order; the same ones alone and in a batch."""
    v, found = view("llava"), []
    method = made("prune", keep=5, of=16, by=by)
    pruned = method.tower_output

    def tower_output(h, batch):
        new = pruned(h, batch)
        found.append([[h[i].eq(row).all(-1).nonzero().item() for row in new[i]] for i in range(len(h))])
        return new

    method.tower_output = tower_output
    inputs = [sample("llava", i, picture=i) for i in range(2)]
    out = play(v, inputs, [method])
    for one in inputs:
        play(v, [one], [method])
    together, *alone = found
    assert together == [a[0] for a in alone] and all(a == sorted(set(a)) and len(a) == 6 for a in together)
    assert out[0].measures["visual_share"] == 5 / 16
    assert (together[0] == together[1]) == (by == "uniform")
    if by == "uniform":
        assert together[0] == [0, 2, 5, 9, 12, 15]


def test_other_words_about_a_picture_see_it_as_the_prompt_does():
    """A contrast in other words is enlarged or pruned as its sample is."""
    v, inputs = view("llava"), [sample("llava", 0)]
    for method in (made("flowcut", keep=5, of=16), made("prune", keep=5, of=16), made("inward_window")):
        assert len(play(v, inputs, [method, made("icd")])[0].tokens) == 5
    assert v.rewritten(inputs[0]) is inputs[0], "afterwards nothing is rewritten"


@pytest.mark.parametrize(
    ("method", "values", "words"),
    [
        ("inward_window", {"factor": 0.5}, r"factor=0\.5 must lie in 1\.\.4"),
        ("inward_window", {"window": "round"}, "window=round is unknown: choose inward, cut, full"),
        ("inward_window", {"blend": 2.0}, "blend"),
        ("prune", {"by": "hand"}, "by=hand is unknown: choose random or uniform"),
        ("prune", {"keep": 0}, "keep=0 must lie in"),
    ],
)
def test_other_values_that_are_refused(method, values, words):
    with pytest.raises(UsageError, match=words):
        made(method, **values)

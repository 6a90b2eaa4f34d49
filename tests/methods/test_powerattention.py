"""PowerAttention: the tests of its specification."""

from __future__ import annotations

import math

import pytest
import torch

from harness.checks.playing import GREEDY, play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods.attention.powerattention import visible
from harness.steering import generate
from tests.methods.made import made


def mask(n, block, window, pattern="power"):
    places = torch.arange(n)[None]
    return visible(places, places, block, window, pattern)[0] & torch.ones(n, n).tril().bool()


@pytest.mark.parametrize("block", [1, 4, 16])
@pytest.mark.parametrize("window", [1, 3])
def test_mask_by_definition(block, window):
    got = mask(64, block, window)
    for q in range(64):
        for k in range(64):
            d = q // block - k // block
            expected = q >= k and (k < block or d < window or d & (d - 1) == 0)
            assert bool(got[q, k]) == expected, (q, k)


@pytest.mark.parametrize("blocks", [8, 32, 128])
def test_everything_is_reached_within_log2_layers(blocks):
    m, reach, layers = mask(blocks, 1, 1), torch.eye(blocks), 0
    while not (reach.tril().bool() == torch.ones(blocks, blocks).tril().bool()).all():
        reach, layers = ((m.float() @ reach) > 0).float(), layers + 1
    assert layers <= math.ceil(math.log2(blocks))


def test_baselines_spend_the_same_number_of_blocks():
    for window in (1, 2, 5):
        power, longer, spaced = (mask(128, 1, window, p).sum(-1) for p in ("power", "window", "stride"))
        assert (power <= window + 1 + 7).all()
        assert ((longer - power).abs() <= 1).all(), "the sink may lie in one and not in the other"
        assert ((spaced - power).abs() <= 1).all()


def test_a_window_over_everything_and_dense_layers_are_vanilla():
    v, inputs = view("llava"), [sample("llava", i, picture=i // 2, shared=True) for i in range(3)]
    plain = play(v, inputs)
    same(play(v, inputs, [made("powerattention", window=100)]), plain, 0)
    same(play(v, inputs, [made("powerattention", block=2, window=1, dense=7)]), plain, 0)


def test_prefill_and_token_by_token_agree():
    v, one = view("llama"), sample("llama", 0, length=20)
    method = made("powerattention", block=2, window=1)
    first = generate(v, [one], [method], GREEDY, 6, [0], keep_scores=True)[0]
    longer = one.extended(first.tokens[:5])
    again = generate(v, [longer], [method], GREEDY, 1, [0], keep_scores=True)[0]
    torch.testing.assert_close(again.scores[0], first.scores[5], atol=1e-4, rtol=1e-4)


def test_share_is_what_the_rows_saw():
    v, one = view("llama"), sample("llama", 0, length=20)
    made_one = generate(v, [one], [made("powerattention", block=1, window=1)], GREEDY, 4, [0])[0]
    rows = range(one.length, one.length + 3)
    expected = sum(int(mask(n + 1, 1, 1)[n].sum()) / (n + 1) for n in rows) / 3
    assert made_one.measures["kept_share"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"block": 0}, "needs block and window of at least 1"),
        ({"dense": 8}, "dense=8 must lie in 0..7"),
        ({"pattern": "x"}, "pattern=x is unknown: choose power, window, stride"),
    ],
)
def test_wrong_values_are_named(values, words):
    with pytest.raises(UsageError, match=words):
        made("powerattention", **values)

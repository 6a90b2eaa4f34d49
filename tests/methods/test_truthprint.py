"""TruthPrInt: the tests of its specification."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods.decoding.probe import Probe
from tests.methods.artefacts import ARTEFACTS
from tests.methods.made import made


def probed(v, **changes):
    method = made("truthprint", **changes)
    method.artefact = ARTEFACTS["truthprint"](v)
    return method


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "instructblip", "llama"])
def test_a_probe_that_never_fires_or_may_not_go_back_is_greedy(family):
    v, inputs = view(family), [sample(family, i, picture=None if family == "llama" else 1) for i in range(2)]
    plain = [g.tokens for g in play(v, inputs)]
    assert [g.tokens for g in play(v, inputs, [made("truthprint", theta=1.01)])] == plain
    for changes in ({"retries": 0}, {"rollbacks": 0}):
        assert [g.tokens for g in play(v, inputs, [probed(v, theta=-1.0, **changes)])] == plain


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_going_back_ends_and_what_follows_is_what_greedy_would_say(family):
    v, one = view(family), sample(family, 0)
    method = probed(v, theta=-1.0, rollbacks=3)
    (got,) = play(v, [one], [method], steps=6)
    (plain,) = play(v, [one], steps=6)
    assert len(got.tokens) == 6 and got.tokens != plain.tokens
    # After the last refusal decoding is greedy: from the first changed token on, the cache must hold the kept ones.
    for end in range(4, 6):
        ids = torch.cat([one.tensors["input_ids"], torch.tensor([got.tokens[:end]])], 1)
        grown = one.change(input_ids=ids, attention_mask=torch.ones_like(ids))
        if "mm_token_type_ids" in grown.tensors:
            zeros = torch.zeros(1, end, dtype=torch.long)
            grown = grown.change(mm_token_type_ids=torch.cat([one.tensors["mm_token_type_ids"], zeros], 1))
        with torch.no_grad():
            assert got.tokens[end] in v.model(**grown.tensors).logits[0, -1].topk(4).indices.tolist()


def test_the_probe_learns_and_keeps_true_words():
    g = torch.Generator().manual_seed(0)
    wrong = torch.rand(600, generator=g) < 0.3
    features = torch.randn(600, 8, generator=g) + 2.0 * wrong[:, None]
    probe = Probe.fit(features, wrong, list(range(600)))
    again = Probe.of(probe.tensors())
    doubts = torch.tensor([again.doubt(h) for h in features])
    assert (doubts[~wrong] > again.theta).float().mean() < 0.1
    assert (doubts[wrong] > again.theta).float().mean() > 0.8
    with pytest.raises(UsageError, match="too few hallucinated"):
        Probe.fit(features, torch.zeros(600, dtype=torch.bool), list(range(600)))


def test_without_a_probe_it_says_what_to_run():
    with pytest.raises(UsageError, match="run harness calibrate method=truthprint first"):
        play(view("llava"), [sample("llava", 0)], [made("truthprint")])

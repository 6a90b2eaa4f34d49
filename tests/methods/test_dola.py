"""DoLa: the tests of its specification."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods.decoding.dola import divergence
from harness.steering import View
from tests.methods.made import made


def test_divergence_is_the_official_one():
    torch.manual_seed(0)
    q, early = torch.randn(2, 7).log_softmax(-1), torch.randn(3, 2, 7).log_softmax(-1)
    kl = torch.nn.functional.kl_div
    for c in range(3):
        m = 0.5 * (q.exp() + early[c].exp())
        wanted = 0.5 * (kl(q, m, reduction="none").mean(-1) + kl(early[c], m, reduction="none").mean(-1))
        torch.testing.assert_close(divergence(q, early)[c], wanted)


def test_scores_are_the_formula_and_each_sample_chooses():
    v, inputs = view("llama"), [sample("llama", i, picture=None) for i in range(2)]
    got = play(v, inputs, [made("dola")], steps=1)
    for one, g in zip(inputs, got, strict=True):
        with torch.no_grad():
            out = v.model(**one.tensors, output_hidden_states=True)
        q = out.logits[0, -1].log_softmax(-1)
        early = torch.stack([v.head(out.hidden_states[i][0, -1]).log_softmax(-1) for i in (0, 1, 2)])
        best = early[divergence(q[None], early[:, None])[:, 0].argmax()]
        keep = q >= q.max() + torch.tensor(0.1).log()
        assert g.scores is not None
        assert torch.equal(~g.scores[0].isinf(), keep)
        torch.testing.assert_close(g.scores[0][keep], (q - best)[keep], atol=1e-4, rtol=1e-4)
        assert keep[q.argmax()]


def test_relative_top_of_one_is_greedy():
    v, inputs = view("llava"), [sample("llava", i) for i in range(2)]
    got, plain = play(v, inputs, [made("dola", relative_top=1.0)]), play(v, inputs)
    assert [g.tokens for g in got] == [g.tokens for g in plain]


def test_the_authors_lists_by_depth():
    """README of voidism/DoLa: 7B, 13B, 30B and 65B."""

    class Deep(View):
        def __init__(self, depth):
            self._depth = depth

        @property
        def depth(self):
            return self._depth

    lists = {
        ("low", 32): range(0, 16, 2),
        ("high", 32): range(16, 32, 2),
        ("low", 40): range(0, 20, 2),
        ("high", 40): range(20, 40, 2),
        ("low", 60): range(0, 20, 2),
        ("high", 60): range(40, 60, 2),
        ("low", 80): range(0, 20, 2),
        ("high", 80): range(60, 80, 2),
    }
    for (name, depth), states in lists.items():
        assert [l + 1 for l in made("dola", candidates=name).reads(Deep(depth))] == list(states)
    assert made("dola", candidates="high").reads(Deep(4)) == made("dola", candidates=[16, 22]).reads(Deep(4)) == [1, 2]
    assert made("dola", candidates=[0, 16, 31]).reads(Deep(40)) == [-1, 19, 38]


@pytest.mark.parametrize("candidates", [[32], [], "middle"])
def test_candidates_that_make_no_sense(candidates):
    with pytest.raises(UsageError, match="candidates"):
        made("dola", candidates=candidates)

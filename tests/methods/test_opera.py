"""OPERA: the tests of its specification."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from harness.core import Decoding, UsageError
from methods.decoding.opera import Beam, column_scores
from tests.methods.made import made
from tests.steering.common import play
from tests.steering.zoo import sample, view


def test_columns_by_hand():
    rows = [torch.tensor([9.0, 9, 0.5]), torch.tensor([9.0, 9, 0.2, 0.1]), torch.tensor([9.0, 9, 0.4, 0.3, 0.6])]
    got = column_scores(rows, 2, 10.0)
    wanted = torch.tensor([5.0 * 2 * 4, 1.0 * 3, 6.0], dtype=torch.float64) * 1e-7
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "llama"])
def test_without_penalty_it_is_beam_search(family):
    picture = None if family == "llama" else 1
    v, inputs = view(family), [sample(family, i, picture=picture) for i in range(3)]
    opera = made("opera", beams=3, candidates=256, alpha=0.0, threshold=10**6)
    got, plain = play(v, inputs, [opera], steps=4), play(v, inputs, [], Decoding("beam", num_beams=3), steps=4)
    assert [g.tokens for g in got] == [g.tokens for g in plain]


def test_one_candidate_is_greedy():
    v, inputs = view("llava"), [sample("llava", i) for i in range(3)]
    got = play(v, inputs, [made("opera", beams=1, candidates=1, alpha=0.0)], steps=6)
    assert [g.tokens for g in got] == [g.tokens for g in play(v, inputs, steps=6)]


def test_going_back():
    opera, visits = made("opera", threshold=3, rollbacks=2), Counter()
    stuck = [Beam(0.0, list(range(20)), [], [12] * 5) for _ in range(2)]
    assert [opera._retrospect(stuck, visits) for _ in range(5)] == [13, 13, 12, 12, 11]
    assert opera._retrospect([Beam(0.0, list(range(20)), [], [5] * 9)], Counter()) is None  # too early
    loose = [stuck[0], Beam(0.0, list(range(20)), [], [12, 3, 4, 5, 12])]
    assert opera._retrospect(loose, Counter()) is None  # not all beams


def test_long_answers_go_back_and_end():
    v, one = view("llava"), [sample("llava", 0)]
    opera = made("opera", beams=2, candidates=2, threshold=1, rollbacks=2)
    calls = []
    real = opera._rebuild
    opera._rebuild = lambda loop, beams: calls.append(len(beams[0].tokens)) or real(loop, beams)
    (got,) = play(v, one, [opera], steps=40)
    assert calls and len(got.tokens) == 40


def test_it_runs_alone():
    v, one = view("llava"), [sample("llava", 0)]
    with pytest.raises(UsageError, match="method=opera decodes by itself: it cannot run beside method=vista"):
        play(v, one, [made("opera"), made("vista")])
    with pytest.raises(UsageError, match="use decoding=greedy"):
        play(v, one, [made("opera")], Decoding("beam", num_beams=2))

"""OPERA against shikiw/OPERA: tokens, and how long the answer is at each pass (a fall is a rollback)."""

from __future__ import annotations

import pytest

from harness.methods.decoding.beams import Beams
from tests.methods.made import made
from tests.parity.common import arrays, cases, play, sample, view

ALL = [*cases("opera", variant="opera")]
NAMES = {"beams": "beams", "candidates": "C", "alpha": "w", "sigma": "scale", "threshold": "thr"}


def answer(case) -> list[int]:
    """The tokens before the end token, which the released code pads behind it."""
    tokens = case.tokens
    return tokens[: tokens.index(case["eos"])] if case["eos"] in tokens else tokens


def lengths(case) -> list[int]:
    return arrays("opera")[f"lengths_{case['case']}"].tolist()


@pytest.fixture
def passed(monkeypatch):
    """The length of the answer at each step of a search from here on."""
    seen: list[int] = []
    real = Beams.grow
    monkeypatch.setattr(Beams, "grow", lambda self, *a: seen.append(self.length) or real(self, *a))
    return seen


@pytest.mark.parametrize("n", range(4))
@pytest.mark.parametrize("kind", ["released", "more"])
def test_answers_and_rollbacks(passed, n, kind):
    found = [c for c in ALL if c["sample"] == n and (c["case"] < 100) == (kind == "released")]
    assert found
    for case in found:
        v = view(eos=case["eos"])
        passed.clear()
        method = made("opera", **{ours: case[theirs] for ours, theirs in NAMES.items()})
        got = play(v, sample(v, n), [method], steps=case["steps"])
        assert got.tokens == answer(case), str(case)
        assert passed == lengths(case), str(case)


def test_plain_beam_search():
    """Its own beams without penalty, and ours of transformers."""
    v = view()
    for case in cases("opera", variant="vanilla"):
        one = sample(v, case["sample"])
        assert play(v, one, beams=case["beams"], steps=case["steps"]).tokens == case.tokens
        if case["case"] == 0:  # all tokens as candidates: 640 rows
            bare = made("opera", beams=case["beams"], candidates=128, alpha=0.0, threshold=10**6)
            assert play(v, one, [bare], steps=case["steps"]).tokens == case.tokens


def test_the_golden_cases_cover_what_is_hard():
    fallen = [sum(b <= a for a, b in zip(lengths(c), lengths(c)[1:], strict=False)) for c in ALL]
    assert sum(n > 0 for n in fallen) >= 12 and max(fallen) >= 10
    assert any(n and c["eos"] in c.tokens for n, c in zip(fallen, ALL, strict=True))
    assert {c["C"] for c in ALL} >= {1, 2, 3, 5, 8}
    assert any(len(lengths(c)) < c["steps"] for c in ALL)  # stopped before the last step

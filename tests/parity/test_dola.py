"""DoLa against voidism/DoLa, with a picture and without."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.methods.decoding import dola
from tests.methods.made import made
from tests.parity.common import agrees, cases, play, sample, view

EARLY = 12
"""Early states have no final norm: scores are of size 70 to 110, plain logits of size 6."""


def method(case):
    if case["variant"] == "vanilla":
        return []
    return [made("dola", candidates=case["variant"], relative_top=case["top"])]


@pytest.mark.parametrize("picture", [True, False])
def test_answers(picture):
    v = view()
    for case in cases("dola", image=picture):
        got = play(v, sample(v, case["sample"], picture), method(case))
        agrees(got, case, 1 if case["variant"] == "vanilla" else EARLY)


@pytest.mark.parametrize("variant", ["low", "high"])
def test_the_candidates(variant):
    named, case = made("dola", candidates=variant), next(cases("dola", variant=variant))
    assert list(named.reads(view())) == [c - 1 for c in case["cands"]]
    assert named.reads(view()) == made("dola", candidates=case["cands"]).reads(view())


@pytest.mark.parametrize("variant", ["low", "high"])
def test_the_chosen_layers(variant, monkeypatch):
    v, seen = view(), []
    real = dola.divergence

    def divergence(q, early):
        found = real(q, early)
        seen.append(int(found[:, 0].argmax()))
        return found

    monkeypatch.setattr(dola, "divergence", divergence)
    for case in cases("dola", variant=variant):
        seen.clear()
        play(v, sample(v, case["sample"], case["image"]), method(case))
        chosen = Counter(str(case["cands"][i]) for i in seen)
        assert {layer: chosen[layer] for layer in case["chosen"]} == case["chosen"], str(case)

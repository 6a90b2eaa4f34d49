"""GIFT against amazon-science/GIFT."""

from __future__ import annotations

import pytest
import torch

from harness.steering import Batch
from tests.methods.made import made
from tests.parity.common import arrays
from tests.parity.geometry_common import NOISE, agrees, answer, cases, differs, sample, view

LAYERS = {"saliency": 12, "start": 12, "end": 24}
"""Layer 3, and layers 3 to 6, of 8."""


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """The rule that stood for spaCy: a token carries content unless its id is a multiple of 3."""
    rule = lambda pieces, tagger: [i for i, piece in enumerate(pieces) if int(piece) % 3]  # noqa: E731
    monkeypatch.setattr("harness.methods.attention.gift.content_words", rule)


@pytest.mark.parametrize("setting", ["a5", "a2"])
def test_answers(setting):
    for case in cases("gift", setting=setting):
        agrees(answer(case, [made("gift", alpha=case["alpha"], **LAYERS)]), case)


def test_maps():
    for n in range(4):
        ours, run = made("gift", alpha=5.0, **LAYERS), Batch(view("plain"), [], [sample(n, n)])
        with torch.no_grad():
            ours.prepare(run)
        assert ours._weights is not None
        theirs = torch.from_numpy(arrays("geometry/gift")[f"map_a5_{n}"])
        torch.testing.assert_close(ours._weights[0], theirs, atol=0, rtol=5 * NOISE)  # exp(alpha S)


def test_a_repeated_word_counts_once_in_the_code_and_each_time_in_the_paper():
    """Prompt 3 has token 179 twice; the other prompts repeat no word."""
    for case in cases("gift", setting="a5"):
        got = answer(case, [made("gift", alpha=case["alpha"], form="paper", **LAYERS)])
        if case["prompt"] == 3:
            differs(got, case, 0.1)
        else:
            agrees(got, case)

"""VHR: the tests of its specification."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods.attention.vhr import vision_aware
from tests.methods.made import made


def test_divergence_and_surging_heads_by_hand():
    blind = torch.zeros(1, 4, 2)
    seeing = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]])
    torch.testing.assert_close(vision_aware(seeing, blind), torch.tensor([[5.0, 1.0, 2.0, 0.0]]))
    blind[0, 0] = 10.0  # the first head surges without the picture, and differs most
    assert vision_aware(seeing, blind)[0, 0] == 0


def test_nothing_differs_nothing_is_chosen(monkeypatch):
    v, one = view("llava"), [sample("llava", 0)]
    monkeypatch.setattr(type(v), "without_image", lambda self, s: s)
    same(play(v, one, [made("vhr")]), play(v, one), 5e-4)


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_half_of_the_heads_once_and_for_all(family):
    v, inputs = view(family), [sample(family, i) for i in range(2)]
    method = made("vhr")
    play(v, inputs, [method], steps=1)
    first = {l: m.clone() for l, m in method.reinforced.items()}
    assert set(first) == set(method.layers(v)) == {1, 2, 3}
    assert all((m.sum(-1) <= 2).all() and m.shape == (2, 4) for m in first.values())
    play(v, inputs, [method], steps=4)
    assert all(torch.equal(first[l], method.reinforced[l]) for l in first)


def test_no_layer_is_vanilla_and_bad_values_are_named():
    v, one = view("llava"), [sample("llava", 0)]
    same(play(v, one, [made("vhr", last=0, second=False)]), play(v, one), 5e-4)
    with pytest.raises(UsageError, match=r"method\.vhr\.last=40"):
        made("vhr", last=40)

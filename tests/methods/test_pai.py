"""PAI and PAINT: the tests of their specifications."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import Decoding, UsageError
from harness.methods.attention.paint import select
from harness.steering.vision import Tower
from tests.methods.made import made
from tests.steering.probes import Steering


class Mass(Steering):
    """Records the last row's attention to the picture, layer by layer, in the first pass."""

    name = "mass"

    def __init__(self):
        self.seen = {}

    def attention_weights(self, l, w, run):
        if run.prefill:
            self.seen[l] = (w[:, :, -1] * run.image(self)[:, None]).sum(-1)


def masses(v, inputs, methods):
    record = Mass()
    play(v, inputs, [*methods, record], steps=1)
    return record.seen


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "internvl"])
def test_mass_on_the_picture_never_falls_in_the_first_edited_layer(family):
    v, one = view(family), [sample(family, 0)]
    plain, edited = masses(v, one, []), masses(v, one, [made("pai", gamma=1.0)])
    assert (edited[0] >= plain[0] - 1e-6).all() and edited[0].sum() > plain[0].sum() + 1e-3


def test_without_contrast_no_second_stream_runs():
    v, one = view("llava"), [sample("llava", 0)]
    works = []
    for gamma in (1.0, 1.1):
        before = v.work.passes
        play(v, one, [made("pai", gamma=gamma)], steps=3)
        works.append(v.work.passes - before)
    assert works == [3, 6]


def test_contrast_is_the_formula():
    v, one = view("llava"), sample("llava", 0)
    with torch.no_grad():
        l, u = (v.model(**x.tensors).logits[0, -1].log_softmax(-1) for x in (one, v.without_image(one)))
    got = play(v, [one], [made("pai", alpha=0.0, gamma=1.3, beta=0.0)])[0].scores
    assert got is not None
    torch.testing.assert_close(got[0], 1.3 * l - 0.3 * u, atol=1e-4, rtol=1e-4)


def test_beams_need_gamma_one():
    v, one, beams = view("llava"), [sample("llava", 0)], Decoding("beam", num_beams=2)
    with pytest.raises(UsageError, match="method=pai cannot run in decoding=beam with its contrast"):
        play(v, one, [made("pai")], beams)
    edited, plain = play(v, one, [made("pai", alpha=3.0, gamma=1.0)], beams), play(v, one, [], beams)
    assert edited[0].tokens != plain[0].tokens


@pytest.mark.parametrize("method", ["pai", "paint"])
def test_code_form_leaves_the_prompts_pass_to_the_contrast(method):
    v, inputs = view("llava"), [sample("llava", i, picture=1, shared=True) for i in range(2)]
    off = {"alpha": 0.0} | ({"beta": 0.0} if method == "paint" else {})
    paper, code, contrast = (
        play(v, inputs, [made(method, gamma=1.5, **values)])
        for values in ({"form": "paper"}, {"form": "code"}, off | {"form": "paper"})
    )
    for a, b, c in zip(paper, code, contrast, strict=True):
        torch.testing.assert_close(b.scores[0], c.scores[0])
        assert (a.scores[0] - c.scores[0]).nan_to_num().abs().max() > 1e-3
        assert not torch.allclose(b.scores[1:], c.scores[1:], atol=1e-3)
    same(*(play(v, inputs, [made(method, gamma=1.0, form=form)]) for form in ("paper", "code")), 0)


@pytest.mark.parametrize("method", ["pai", "paint"])
def test_an_unknown_form_is_named(method):
    with pytest.raises(UsageError, match=f"method.{method}.form=released is unknown: choose paper or code"):
        made(method, form="released")


def test_paint_of_all_patches_is_pai():
    v, inputs = view("llava"), [sample("llava", i, picture=i // 2, shared=True) for i in range(3)]
    paint = made("paint", alpha=0.6, beta=0.6, local=1.0, start=0)
    same(play(v, inputs, [paint]), play(v, inputs, [made("pai", alpha=0.6, start=0)]), 5e-4)


def test_paints_selection():
    first = torch.arange(16.0)
    late = torch.tensor([1.0, 1.1, 0.9, 1.0] * 4)
    late[15] = 9
    local, summary = select(first, late, 0.25)
    assert local.nonzero()[:, 0].tolist() == [12, 13, 14] and summary.nonzero()[:, 0].tolist() == [15]


def test_the_tower_walks_like_the_stock_one():
    v, one = view("llava"), sample("llava", 0)
    pixels = one.tensors["pixel_values"]
    with torch.no_grad():
        stock = v.model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
        for layers in (1, 2):
            walk = Tower(v, "test").walk(pixels, layers)
            with pytest.raises(StopIteration) as end:
                next(walk)
                while True:
                    walk.send(None)
            torch.testing.assert_close(end.value.value, stock[layers], atol=1e-5, rtol=1e-5)

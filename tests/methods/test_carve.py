"""CARVE: the tests of its specification."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from harness.checks.zoo import sample, view
from harness.core import Decoding, UsageError
from harness.core.picture import Picture
from harness.core.types import Attention, Reply, Request, user
from harness.methods.pipeline.carve import GENERAL, SUFFIX, fuse, regions
from harness.steering import generate
from harness.steering.attention_maps import Reader, grid
from tests.methods.made import made

WHOLE = (0.0, 0.0, 1.0, 1.0)


def picture(width=64, height=48) -> Picture:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 50)).save(out, "PNG")
    return Picture(out.getvalue())


def attention(peak: tuple[int, int] | None = None, steps: int = 2) -> Attention:
    weights = np.full((steps, 3, 8, 8), 0.01)
    if peak:
        weights[:, :, peak[0], peak[1]] = 0.5
    return Attention(weights, WHOLE)


def answered(request: Request, method, peak=(1, 6)) -> tuple[list[Request], Reply]:
    """Drive the pipeline: the question's look peaks at a patch."""
    asked, play = [], method.respond(request)
    try:
        step = next(play)
        while True:
            asked.append(step)
            look = attention(peak if len(asked) == 1 else None) if step.capture else None
            step = play.send(Reply(f"answer {len(asked)}", attention=look))
    except StopIteration as end:
        return asked, end.value


@pytest.mark.parametrize("form", ["code", "paper"])
def test_two_looks_then_the_refined_picture(form):
    request = Request(user(picture(), "What is it?"), 10)
    asked, reply = answered(request, made("carve", form=form, p=0.1, regions=1))
    assert reply.text == "answer 3" and len(asked) == 3
    texts = [r.messages[-1].content[-1] for r in asked]
    assert texts == ["What is it?" + SUFFIX, GENERAL + SUFFIX, "What is it?" + SUFFIX]
    assert asked[0].capture and asked[1].capture and asked[2].capture is None
    assert asked[0].max_new_tokens == 32 and asked[2].max_new_tokens == 10
    shown = asked[2].pictures
    assert len(shown) == (2 if form == "code" else 1)
    if form == "code":
        assert shown[0] == request.pictures[0]
    refined = shown[-1].load()
    assert refined.width >= 64 and refined.height >= 48
    look, general, answer = reply.steps
    assert "answer 1" in look.action and "answer 2" in general.action and "answer 3" in answer.action
    assert look.picture == request.pictures[0] and general.picture is None and answer.picture == shown[-1]
    (mark,) = look.marks
    x0, y0, x1, y1 = mark.box
    assert 0 <= x0 < 6.5 / 8 < x1 <= 1 and 0 <= y0 < 1.5 / 8 < y1 <= 1  # around the middle of the patch that peaks


def test_the_peak_ends_inside_the_crop():
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[10:20, 60:70] = (10, 250, 10)  # patch (1, 6)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    method = made("carve", p=0.03, regions=1, form="paper")
    refined = method.refine(Picture(out.getvalue()).load(), attention((1, 6)), attention())[0].load()
    green = np.asarray(refined)[..., 1]
    assert green.mean() > 80  # half of what is kept, against 1.6 % of the picture


def test_the_crop_is_enlarged_to_whole_pixels_downwards(monkeypatch):
    kept = np.zeros((48, 64), bool)
    kept[:40, :51] = True  # scaled by 64 / 51: 50.2 high
    kept_low = kept.copy()
    kept_low[39] = False  # 39 x 51: 48.94 high
    for mask, size in ((kept, (64, 50)), (kept_low, (64, 48))):
        monkeypatch.setattr("harness.methods.pipeline.carve.regions", lambda *args, mask=mask, **kwargs: mask)
        refined = made("carve").refine(picture().load(), attention((1, 6)), attention())[0].load()
        assert refined.size == size


def test_a_centre_crop_is_undone():
    wide = Image.new("RGB", (160, 80), (255, 255, 255))
    method = made("carve", p=0.01, regions=1, form="paper")
    found = {}
    real = regions
    for box in (WHOLE, (0.25, 0.0, 0.75, 1.0)):
        weights = attention((0, 0)).weights
        score = fuse(weights, attention().weights)
        patch = np.asarray(Image.fromarray(score.astype(np.float32)).resize((round((box[2] - box[0]) * 160), 80)))
        keep = real(patch, 0.01, 1, exact=True)
        found[box] = np.nonzero(keep)[1].min()
        refined, _ = method.refine(wide, Attention(weights, box), attention())
        assert refined.load().width >= 160
    assert found[WHOLE] == 0


def test_fusing_by_hand():
    asked, general = np.zeros((2, 1, 1, 2)), np.full((3, 1, 1, 2), 0.5)
    asked[0, 0, 0], asked[1, 0, 0] = (0.5, 0.0), (0.0, 1.0)
    np.testing.assert_allclose(fuse(asked, general), [[1 * 1.0, 2 * 2.0]], rtol=1e-6)
    np.testing.assert_allclose(fuse(general, general), np.full((1, 2), 6.0), rtol=1e-6)


def test_regions():
    score = np.zeros((10, 10))
    score[0, :3], score[5, 5], score[9, 8:] = 2, 9, 1  # sums 6, 9, 2
    kept = regions(score, 0.06, 1, exact=True)
    assert kept.sum() == 1 and kept[5, 5]
    assert regions(score, 0.06, 2, exact=True).sum() == 4
    assert regions(score, 1.0, 1, exact=True).all()


def test_p_of_one_alone_is_vanilla():
    request = Request(user(picture(), "What is it?"), 10)
    asked, reply = answered(request, made("carve", p=1.0, form="paper"))
    assert asked == [request] and reply.text == "answer 1"
    text = Request(user("What is it?"), 10)
    assert answered(text, made("carve"))[0] == [text]


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_captured_attention_is_the_models_own(family):
    v, inputs = view(family), [sample(family, i, picture=0, shared=True, length=4 + i) for i in range(2)]
    reader = Reader([1, 3])
    generate(v, inputs, [reader], Decoding(), 3, [0, 0])
    for one in inputs:
        got = reader.attention(one, 3, None)
        assert got is not None and got.box == WHOLE and got.weights.shape == (3, 2, 4, 4)
        v.model.set_attn_implementation("eager")
        try:
            with torch.no_grad():
                stock = v.model(**one.tensors, output_attentions=True).attentions
        finally:
            v.model.set_attn_implementation("sdpa")
        image = one.tensors["input_ids"][0] == v.image_token_id
        for n, l in enumerate((1, 3)):
            wanted = stock[l][0, :, -1].mean(0)[image].reshape(4, 4)
            np.testing.assert_allclose(got.weights[0, n], wanted.numpy(), atol=1e-5)


def test_prompts_without_a_grid_are_refused():
    v, one = view("llava_next"), sample("llava_next", 0)
    with pytest.raises(UsageError, match="method=carve needs image tokens on one grid"):
        grid(one, 52, v)


@pytest.mark.parametrize(
    ("values", "says"), [({"p": 0}, "p=0"), ({"form": "x"}, "form=x"), ({"regions": 0}, "regions")]
)
def test_bad_values_are_named(values, says):
    with pytest.raises(UsageError, match=says):
        made("carve", **values)

"""AGLA: the tests of its specification, on a small random BLIP."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import transformers as T
from PIL import Image

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import Missing, UsageError
from harness.core.picture import Picture
from harness.core.types import Request, user
from harness.methods.decoding.agla import Agla, _masked
from harness.methods.decoding.matching import Matcher, cleaned, cut, gradcam, masked, spread
from harness.steering import Inputs
from tests.methods.made import made


class Texts:
    """Stands for BLIP's processor: its vocabulary is on the hub."""

    def __call__(self, images, text, return_tensors):
        pixels = torch.from_numpy(np.array(images)).permute(2, 0, 1)[None].float() / 255
        ids = torch.tensor([[1, *(5 + len(w) for w in text[0].split()), 2]])
        return {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


@pytest.fixture(scope="module")
def matcher():
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = small | {"vocab_size": 40, "encoder_hidden_size": 16, "projection_dim": 8, "bos_token_id": 1}
    config = T.BlipConfig(
        vision_config=small | {"image_size": 48, "patch_size": 8},
        text_config=text,
        image_text_hidden_size=8,
        projection_dim=8,
    )
    model = T.BlipForImageTextRetrieval._from_config(config, attn_implementation="eager").eval().requires_grad_(False)
    return Matcher(model, Texts(), 0)


def picture(size=(60, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(1, 255, (size[1], size[0], 3)).astype(np.uint8))


def test_map_and_similarity(matcher):
    cam, similarity = matcher.relevance(picture(), "is there a dog")
    other, _ = matcher.relevance(picture(), "is there an elephant")
    assert cam.shape == (6, 6) and np.isfinite(cam).all() and cam.max() > 0 and -1 <= similarity <= 1
    assert not np.allclose(cam / cam.max(), other / other.max(), atol=1e-3)


def test_gradcam_by_hand():
    attention, gradient = torch.rand(2, 4, 5), torch.ones(2, 4, 5)
    gradient[0] = -1
    words = (attention[1] / 2)[1:3, 1:]  # without [ENC] and [SEP]
    torch.testing.assert_close(gradcam(attention, gradient), words.mean(0).reshape(2, 2))


def test_the_matcher_reads_enc_first_and_cls_for_similarity(matcher, monkeypatch):
    seen, forward = [], type(matcher.model.text_encoder).forward

    def watched(self, *args, **kwargs):
        seen.append(kwargs["input_ids"][0].tolist())
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(type(matcher.model.text_encoder), "forward", watched)
    matcher.relevance(picture(), "is there a dog")
    words = [7, 10, 6, 8]  # Texts: 5 and the length
    assert seen == [[2, *words, 2], [1, *words, 2]]  # BOS, standing for [DEC], is 1: [ENC] is the next


def test_long_texts_are_cut_and_marks_are_blanks(matcher):
    assert cleaned('Is there "A dog" (or: cats)?\n') == "is there a dog or cats ?"
    assert cleaned("word " * 60).split() == ["word"] * 50
    ids = torch.arange(60)[None]
    assert cut(ids)[0].tolist() == [*range(34), 59] and torch.equal(cut(ids[:, :35]), ids[:, :35])
    cam, similarity = matcher.relevance(picture(), "word " * 60)
    assert np.isfinite(cam).all() and np.isfinite(similarity)


def test_a_map_without_relief_keeps_the_whole_picture(matcher):
    image = picture()
    squeezed = np.asarray(image.resize((384, 384), Image.Resampling.BICUBIC))
    assert (np.asarray(masked(image, np.full((24, 24), 0.3), 0.9)) == squeezed).all()
    cam, similarity = matcher.relevance(image, "")  # no word between [ENC] and [SEP]
    assert (np.asarray(masked(image, cam, similarity)) == squeezed).all()


def test_the_map_is_smooth_and_zero_outside():
    relevance = np.ones((24, 24))
    relevance[12, 12] = 0
    smooth = spread(relevance)
    assert smooth is not None and smooth.shape == (384, 384)
    assert smooth[200, 200] < smooth[200, 216] < smooth[200, 280] == pytest.approx(1, abs=1e-3)
    assert smooth[200, 0] < 0.95


def test_the_released_sampler_sees_the_masked_picture_at_the_first_token_only(matcher):
    z, local = torch.randn(1, 9), torch.randn(1, 9)
    method = made("agla", matcher="somewhere", alpha=2.0, beta=0.0, form="code")

    class At:
        step = 0

        def stream(self, method):
            return local

    torch.testing.assert_close(method.logits(z, At()), z + 2 * local)
    At.step = 1
    torch.testing.assert_close(method.logits(z, At()), 3 * z)
    with pytest.raises(UsageError, match="form=x is unknown"):
        made("agla", matcher="somewhere", form="x")


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.9])
def test_a_better_match_keeps_fewer_pixels(similarity):
    relevance = np.random.default_rng(1).random((24, 24))
    kept = (np.asarray(masked(picture(), relevance, similarity)).sum(-1) > 0).mean()
    assert kept == pytest.approx(1 - similarity / 2, abs=0.01)


def test_the_stream_sees_the_masked_picture(matcher):
    image = picture()
    out = io.BytesIO()
    image.save(out, "PNG")
    asked = []
    method = made("agla", matcher="somewhere")
    method._model = matcher
    v = view("llava")
    one = sample("llava", 0)
    one.request = Request(user(Picture(out.getvalue()), "is there a dog"), 4)

    def encode(request: Request) -> Inputs:
        asked.append(request)
        return Inputs(one.tensors, request=request)

    before, v.encode = v.encode, encode
    try:
        stream = method.contrast(one, v)
        assert isinstance(stream, Inputs) and stream.shared is None
        assert asked[0].pictures[0] == _masked(Picture(out.getvalue()), matcher, "is there a dog")
        assert asked[0].pictures[0].load().size == (384, 384)
        got, plain = play(v, [one], [made_with(matcher, beta=0.0)]), play(v, [one])
        assert got[0].scores is not None and plain[0].scores is not None
        torch.testing.assert_close(got[0].scores[0], 3 * plain[0].scores[0], atol=1e-3, rtol=1e-4)  # z + 2 z
        assert got[0].tokens == plain[0].tokens
    finally:
        v.encode = before


def made_with(matcher, **changes) -> Agla:
    method = made("agla", matcher="somewhere", **changes)
    method._model = matcher
    return method


def test_without_a_matcher():
    with pytest.raises(UsageError, match="method=agla needs an image-text matching model"):
        made("agla")
    with pytest.raises(Missing, match="cannot be loaded"):
        Matcher.load("/nowhere/blip", 6)
    v, one = view("llava"), [sample("llava", 0)]
    same(play(v, one, [made("agla", alpha=0.0, beta=0.0)]), play(v, one), 0)

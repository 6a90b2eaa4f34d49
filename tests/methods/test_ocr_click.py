"""OCR and click: likeness, what is clicked, and a real screenshot where RapidOCR is installed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from harness.core import Missing, Picture, Request, user
from harness.methods.pipeline.ocr_click import Word, alike
from harness.tasks.screenspot.parsers import point_or_box
from tests.methods.made import made

ASK = 'What is the position of the element corresponding to the command "create account" (with point)?'
WORDS = [Word("Settings", (0.1, 0.1, 0.3, 0.2)), Word("Create account", (0.4, 0.7, 0.8, 0.8))]


def screenshot() -> Picture:
    image, out = Image.new("RGB", (640, 400), "white"), io.BytesIO()
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(28)
    for at, text in (((60, 50), "Settings"), ((60, 150), "Sign in"), ((300, 300), "Create account")):
        draw.text(at, text, fill="black", font=font)
    image.save(out, "PNG")
    return Picture(out.getvalue())


def clicked(method, request):
    with pytest.raises(StopIteration) as end:
        next(method.respond(request))
    return end.value.value


def test_the_most_similar_line_is_clicked_in_its_middle():
    method, shown = made("ocr_click"), screenshot()
    method._read[shown.digest] = WORDS
    reply = clicked(method, Request(user(shown, ASK), 16))
    assert reply.text == "(0.6000, 0.7500)" and reply.measures == {"lines": 2.0, "clicked": 1.0}
    assert point_or_box(reply.text, (640, 400)).point == pytest.approx((384, 300))
    assert reply.steps[0].marks[0].box == WORDS[1].box
    nothing = clicked(method, Request(user(shown, "turn on the lamp"), 16))
    assert nothing.text == "" and nothing.measures["clicked"] == 0.0


def test_no_text_is_no_click():
    method, shown = made("ocr_click", least=0.0), screenshot()
    method._read[shown.digest] = []
    assert clicked(method, Request(user(shown, ASK), 16)).measures["lines"] == 0.0


def test_above_one_the_model_answers():
    request = Request(user(screenshot(), ASK), 16)
    assert next(made("ocr_click", least=2.0).respond(request)) == request


@given(st.text(), st.text())
def test_likeness_lies_between_0_and_1(a, b):
    assert 0 <= alike(a, b) <= 1


def test_longer_matches_come_first():
    assert alike("Create account", ASK) > alike("account", ASK) > alike("Settings", ASK)
    assert alike("", ASK) == alike("x", ASK) == 0.0


def test_a_real_screenshot_is_read():
    pytest.importorskip("rapidocr")
    reply = clicked(made("ocr_click"), Request(user(screenshot(), ASK), 16))
    x, y = point_or_box(reply.text, (640, 400)).point
    assert 300 < x < 500 and 295 < y < 340


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rapidocr", None)
    from harness.methods.pipeline import ocr_click

    ocr_click._engine.cache_clear()
    with pytest.raises(Missing, match="pip install 'harness\\[ocr\\]'"):
        next(made("ocr_click").respond(Request(user(screenshot(), ASK), 16)))
    ocr_click._engine.cache_clear()

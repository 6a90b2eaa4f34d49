"""Requests in OpenAI's form."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image, features

from harness.core import Picture, Request, Unusable, user
from harness.models.openai.messages import messages


def data_url(data: bytes) -> str:
    (message,) = messages(Request(user(Picture(data)), 5))
    return message["content"][0]["image_url"]["url"]


SENT = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp", "GIF": "gif"}


def test_messages_keep_their_order():
    png = io.BytesIO()
    Image.new("RGB", (2, 2)).save(png, "PNG")
    (message,) = messages(Request(user("a", Picture(png.getvalue()), "b"), 5))
    assert [p["type"] for p in message["content"]] == ["text", "image_url", "text"]
    assert message["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert messages(Request(user("a", "b"), 5)) == [{"role": "user", "content": "ab"}]


@pytest.mark.parametrize("form", [*SENT, "BMP", "TIFF", "PPM", "ICO", "AVIF", "JPEG2000"])
def test_the_type_is_that_of_the_bytes(form):
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 30, 30)).save(file, form)
    head, _, data = data_url(file.getvalue()).partition(";base64,")
    raw = base64.b64decode(data)
    assert head == f"data:image/{SENT.get(form, 'png')}"
    with Image.open(io.BytesIO(raw)) as image:
        assert image.format == head.removeprefix("data:image/").upper()
        assert all(abs(a - b) < 9 for a, b in zip(image.convert("RGB").getpixel((5, 5)), (200, 30, 30), strict=True))


def test_what_is_no_picture_costs_its_sample():
    with pytest.raises(Unusable):
        data_url(b"RIFF....AVI ")

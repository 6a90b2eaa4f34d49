"""Pictures of lmms-eval's documents are seen as files are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from harness.core import Unusable, pixels
from harness.interop.pictures import Visual


def visual(image):
    return Visual(lambda: image, "doc:0")


def test_a_picture_is_normalised_for_models_and_servers():
    glass = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    ramp = Image.fromarray(np.array([[0, 32896, 65535]], np.uint16))
    exif = Image.Exif()
    exif[pixels.ORIENTATION] = 6
    file = io.BytesIO()
    Image.new("RGB", (4, 2), "red").save(file, "PNG", exif=exif)
    for image, size, corner in ((glass, (4, 2), 255), (ramp, (3, 1), 0), (Image.open(file), (2, 4), 255)):
        picture = visual(image)
        assert picture.size == picture.load().size == size and picture.load().getpixel((0, 0))[0] == corner
        kind, data = picture.portable()
        assert kind == "image/png" and (np.asarray(Image.open(io.BytesIO(data))) == np.asarray(picture.load())).all()
    assert visual(Image.new("CMYK", (2, 2))).portable()[0] == "image/png"
    assert visual(ramp).load().getpixel((1, 0)) == (128, 128, 128)


def test_pictures_of_equal_indices_and_other_palettes_are_two():
    red, blue = (Image.new("P", (2, 2)) for _ in range(2))
    red.putpalette([255, 0, 0])
    blue.putpalette([0, 0, 255])
    assert visual(red) != visual(blue) and visual(red) == visual(red.convert("RGB"))


def test_a_picture_that_cannot_be_shown_costs_its_sample(monkeypatch):
    with pytest.raises(Unusable, match=r"picture doc:0 is without a finite value"):
        visual(Image.fromarray(np.full((2, 2), np.nan, np.float32))).load()
    monkeypatch.setattr(pixels, "MAX_PIXELS", 3)
    with pytest.raises(Unusable, match=r"picture doc:0 is too large: 2 x 2 pixels, over the limit of 3 "):
        visual(Image.new("RGB", (2, 2))).load()

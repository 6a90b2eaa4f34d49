"""What a person sees of a picture is what every model, server and page gets."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from harness.core import Picture, Unusable, pixels

DRAWN = Image.new("RGB", (12, 6), "white")
DRAWN.paste((255, 0, 0), (1, 1, 5, 3))
RAMP = np.linspace(0, 65535, 120).astype(np.uint16)[None].repeat(2, 0)
STORED = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""Orientation -> the turn that lays an upright picture down as a camera stores it."""


def encoded(image, kind, **how):
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def array(picture):
    return np.asarray(picture.load()).astype(int)


def equal_everywhere(data):
    """The pixels; the same ones that a server's or a browser's decoder finds, which knows no EXIF and no alpha."""
    picture = Picture(data)
    kind, sent = picture.portable()
    with Image.open(io.BytesIO(sent)) as plain:
        assert f"image/{plain.format.lower()}" == kind and plain.format in ("PNG", "JPEG", "WEBP", "GIF")
        assert not getattr(plain, "is_animated", False)
        assert (np.asarray(plain.convert("RGB")) == array(picture)).all()
    assert picture.size == picture.load().size
    return array(picture)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_a_picture_stands_upright(kind):
    for orientation, turn in STORED.items():
        exif = Image.Exif()
        exif[pixels.ORIENTATION] = orientation
        how = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
        found = equal_everywhere(encoded(DRAWN.transpose(turn), kind, exif=exif, **how))
        assert found.shape == (6, 12, 3) and np.abs(found - np.asarray(DRAWN)).max() <= 4 * (kind == "JPEG")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_turns_nothing():
    data = encoded(DRAWN, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0garbage")
    assert equal_everywhere(data).shape == (6, 12, 3)
    exif = Image.Exif()
    exif[pixels.ORIENTATION] = 99
    assert equal_everywhere(encoded(DRAWN, "JPEG", exif=exif)).shape == (6, 12, 3)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray(RAMP), "PNG"),
        (Image.fromarray(RAMP), "TIFF"),
        (Image.fromarray(RAMP.astype(np.int32)), "PPM"),
        (Image.fromarray(RAMP.astype(np.int32) * 9 - 7), "TIFF"),
        (Image.fromarray((RAMP / 65535).astype(np.float32)), "TIFF"),
        (Image.fromarray((RAMP / 9 - 40).astype(np.float32)), "TIFF"),
    ],
)
def test_wide_values_are_scaled_and_not_clipped(image, kind):
    assert (equal_everywhere(encoded(image, kind)) == np.round(RAMP / 257)[..., None]).all()


def test_what_is_dark_stays_dark():
    assert equal_everywhere(encoded(Image.fromarray(RAMP // 8), "PNG")).max() == 32
    half = Image.fromarray((RAMP / 65535 / 2).astype(np.float32))
    assert equal_everywhere(encoded(half, "TIFF")).max() == 128


def test_values_that_are_not_finite():
    values = (RAMP / 65535).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    assert equal_everywhere(encoded(Image.fromarray(values), "TIFF"))[0, :4, 0].tolist() == [0, 255, 0, 6]
    with pytest.raises(Unusable, match=r"without a finite value \(mode F\)"):
        Picture(encoded(Image.fromarray(values * np.nan), "TIFF")).load()


def test_transparency_is_on_white():
    glass = Image.new("RGBA", (12, 6), (0, 0, 0, 0))
    glass.paste((0, 0, 0, 255), (1, 1, 5, 3))
    wanted = np.full((6, 12, 3), 255)
    wanted[1:3, 1:5] = 0
    for image in (glass, glass.convert("LA"), glass.quantize(4)):
        assert (equal_everywhere(encoded(image, "PNG")) == wanted).all()
    for kind in ("GIF", "TIFF"):
        assert (equal_everywhere(encoded(glass, kind)) == wanted).all()
    black = Image.new("RGB", (2, 2))
    for image, colour in ((black, (0, 0, 0)), (black.convert("L"), 0), (black.convert("1"), 0)):
        assert (equal_everywhere(encoded(image, "PNG", transparency=colour)) == 255).all()
    wide = encoded(Image.fromarray(RAMP), "PNG", transparency=0)
    assert equal_everywhere(wide)[0, :2, 0].tolist() == [255, 2]


def test_other_modes_and_formats():
    for mode, kind in (("CMYK", "TIFF"), ("RGB", "BMP"), ("1", "BMP"), ("L", "GIF"), ("RGB", "TGA")):
        found = equal_everywhere(encoded(DRAWN.convert(mode), kind))
        assert (found == np.asarray(DRAWN.convert(mode).convert("RGB"))).all(), (mode, kind)
    cmyk = equal_everywhere(encoded(DRAWN.convert("CMYK"), "JPEG", quality=100, subsampling=0))  # Pillow inverts: Adobe
    assert np.abs(cmyk - np.asarray(DRAWN)).max() <= 8


def test_what_every_decoder_shows_is_sent_as_it_is():
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        data = encoded(DRAWN, kind)
        assert Picture(data).portable() == (f"image/{kind.lower()}", data)
    opaque = encoded(DRAWN.convert("RGBA"), "PNG")
    assert Picture(opaque).portable() == ("image/png", opaque)


def test_an_animation_is_its_first_frame_and_that_is_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pixels, "_TOLD", [])
    other = DRAWN.transpose(Image.Transpose.ROTATE_180)
    for name in ("a.gif", "b.png", "c.tiff"):
        DRAWN.save(tmp_path / name, save_all=True, append_images=[other])
        assert (array(Picture(tmp_path / name)) == np.asarray(DRAWN)).all()
        equal_everywhere((tmp_path / name).read_bytes())
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{tmp_path / 'a.gif'} has several frames; the first" in said


def test_a_bomb_is_refused_and_the_limit_named(monkeypatch):
    bomb = Picture(encoded(Image.new("1", (15_000, 15_000)), "PNG"))  # beyond what Pillow itself refuses
    for how in (bomb.load, bomb.portable, lambda: bomb.size):
        with pytest.raises(Unusable, match=r"too large: over 100,000,000 pixels, the limit that harness\.core\.pixels"):
            how()
    monkeypatch.setattr(pixels, "MAX_PIXELS", 10)
    with pytest.raises(Unusable, match="too large: 12 x 6 pixels, over the limit of 10 "):
        Picture(encoded(DRAWN, "PNG")).load()


def test_half_a_picture_is_none_whatever_a_library_has_set(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as lmms-eval does
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    half = encoded(Image.fromarray(noise), "PNG")[:6000]
    with pytest.raises(Unusable, match=r"cannot be decoded: .*truncated"):
        Picture(half).load()

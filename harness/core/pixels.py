"""What a person sees of an encoded picture, as 8-bit RGB: the same for every model, server and page."""

from __future__ import annotations

import functools
import io
import sys
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from harness.core.errors import Unusable
from harness.core.sinks import line

MAX_PIXELS = 100_000_000
"""A picture with more pixels is refused: a decompression bomb costs one sample, not the machine."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what sets the picture upright."""
ORIENTATION, BITS, PHOTOMETRIC = 0x0112, 258, 262
"""Tags of EXIF and TIFF."""
PORTABLE = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
"""Format -> MIME type, of what every chat server and browser decodes."""
_TOLD: list[str] = []
"""The picture that `_tell_frames` named."""


def opened(data: bytes) -> Image.Image:
    """The first frame, not decoded yet. Raises Unusable where it is too large, ValueError where it is not a picture."""
    _quiet()
    try:
        image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise ValueError("it is not a picture, or its format is unknown") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as e:
        raise Unusable(f"too large: over {MAX_PIXELS:,} pixels, the limit that harness.core.pixels sets") from e
    _bounded(image)
    return image


def decoded(data: bytes, called: str) -> Image.Image:
    """An encoded picture as `seen`. `called`: the picture's name in messages."""
    with opened(data) as image:
        return seen(image, called)


def seen(image: Image.Image, called: str) -> Image.Image:
    """The picture upright, in RGB, on white where it is transparent.

    Grey of 16 bits is scaled from black to white; floats from 0..1; other floats and 32-bit integers, which have no
    white of their own, from their darkest to their brightest value. Colour profiles are not applied. Raises Unusable
    where no value is finite, ValueError for colours that Pillow cannot convert (LAB).
    """
    _bounded(image)
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # lmms-eval, once imported, has half a picture pass as a whole one
    image.load()
    if _frames(image):
        _tell_frames(called)
    if (turn := TURNS.get(_orientation(image))) is not None:
        image = image.transpose(turn)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _grey(image)
    if image.mode in ("RGBa", "La"):
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.new("RGBA", above.size, "white")
        image.alpha_composite(above)
    return image.convert("RGB")


def extent(data: bytes, _called: str) -> tuple[int, int]:
    """(width, height) of the upright picture, from its header."""
    with opened(data) as image:
        return (image.height, image.width) if _unread_orientation(image, data) in (5, 6, 7, 8) else image.size


def portable(data: bytes, called: str) -> tuple[str, bytes]:
    """MIME type and bytes that any decoder shows as `seen`: as they are where that is so, else encoded as PNG."""
    with opened(data) as image:
        kind = PORTABLE.get(image.format or "")
        plain = image.mode in ("RGB", "RGBA", "L", "LA", "P", "1") and not _frames(image)
        if kind and plain and _unread_orientation(image, data) not in TURNS and _opaque(image):
            return kind, data
        return "image/png", png(seen(image, called))


def png(image: Image.Image) -> bytes:
    """The bytes of a lossless PNG, packed fast rather than small."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _bounded(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width} x {image.height} pixels"
        raise Unusable(f"too large: {size}, over the limit of {MAX_PIXELS:,} that harness.core.pixels sets")


def _frames(image: Image.Image) -> bool:
    """Whether it is an animation or has pages. A phone's depth map or preview (MPO) is neither."""
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def _tell_frames(called: str) -> None:
    """Say, once in a process, that further frames are not shown. `called`: the first picture that has some."""
    if not _TOLD:
        _TOLD.append(called)
        sys.stderr.write(f"harness: {line(called)} has several frames; the first frame of such a picture is shown\n")


@functools.cache
def _quiet() -> None:
    """Pillow warns of damaged metadata, and above a limit of its own, which lies below ours."""
    warnings.filterwarnings("ignore", module="PIL")


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1 where nothing is said, or nothing that can be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow raises whatever its parsers of damaged EXIF and XMP meet
        return 1


def _unread_orientation(image: Image.Image, data: bytes) -> int:
    """The orientation of a picture that is not decoded yet, by which its size is to be read."""
    if image.format == "TIFF":  # Pillow turns it by itself, its size included
        return 1
    if image.format == "PNG" and not any(mark in data for mark in (b"eXIf", b"Raw profile type", b"com.adobe.xmp")):
        return 1  # Pillow decodes all of a PNG to look for them
    return _orientation(image)


def _opaque(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return True
    return image.mode in ("RGBA", "LA") and image.getchannel("A").getextrema()[0] == 255


def _grey(image: Image.Image) -> Image.Image:
    """Grey of 8 bits from wider values."""
    values = np.asarray(image, dtype=np.float32)
    tags: Any = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        low, high = 0.0, 2.0 ** tags.get(BITS, (16,))[0] - 1
    elif image.mode == "I" and image.format in ("PNG", "PPM"):
        low, high = 0.0, 65535.0
    else:
        low, high = _range(image.mode, values)
    grey = np.clip((np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) * (255 / (high - low)), 0, 255)
    if tags.get(PHOTOMETRIC) == 0:  # white is zero: Pillow turns 8 bits over itself, and wider values not
        grey = 255 - grey
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(np.round(grey).astype(np.uint8))


def _range(mode: str, values: np.ndarray) -> tuple[float, float]:
    """The values that are black and white."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise Unusable(f"without a finite value (mode {mode})")
    low, high = float(finite.min()), float(finite.max())
    if mode == "F" and low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if low < high else (0.0, max(high, 255.0))

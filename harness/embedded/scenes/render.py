"""Draw a scene. Placement and visibility are decided on a fixed grid, so they do not depend on the output size."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from harness.embedded.scenes.layouts import SCENE_TYPES, sample_objects
from harness.embedded.scenes.sprites import sprites
from harness.embedded.scenes.vocabulary import NAMES, SHOWS_ALSO

GRID = 96
"""Side of the reference grid in pixels: the embedded model's input size."""

_SMALLEST, _LARGEST = 16, 48  # sprite height on the grid, log-uniform
_MIN_SHARE, _MIN_PIXELS = 0.4, 30  # an object counts as visible above both
_HAZY, _OPACITY = 0.4, (0.08, 0.3)  # share of objects far off in the haze, and how much of them is seen
_BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class Instance:
    """One visible object.

    `box` is (x0, y0, x1, y1) in 0..1 of the picture's side, tight around the visible pixels;
    `visible` is the number of visible pixels on the GRID x GRID reference grid (9216 in all).
    """

    category: str
    box: tuple[float, float, float, float]
    visible: int

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, in 0..1."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    def pixels(self, size: int) -> tuple[int, int, int, int]:
        """The box in pixels of a picture of side `size`."""
        x0, y0, x1, y1 = (round(v * size) for v in self.box)
        return x0, y0, x1, y1


@dataclass(frozen=True)
class Scene:
    """A picture with its annotation.

    `pixels` is uint8 (size, size, 3); `instances` holds visible objects only, largest first;
    `owner` is int16 (GRID, GRID): the index into `instances` seen at each grid pixel, -1 for background,
    -2 for an object too hidden to be annotated.
    """

    seed: int
    kind: str
    pixels: np.ndarray
    instances: tuple[Instance, ...]
    owner: np.ndarray

    @property
    def picture(self) -> Image.Image:
        """The picture as a PIL image (RGB)."""
        return Image.fromarray(self.pixels)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of visible instances by category, largest object first."""
        found: dict[str, int] = {}
        for i in self.instances:
            found[i.category] = found.get(i.category, 0) + 1
        return found

    @property
    def objects(self) -> tuple[str, ...]:
        """The distinct visible categories, largest object first."""
        return tuple(self.counts)


@dataclass(frozen=True)
class _Placement:
    """One drawn object: sprite, geometry in grid pixels, colour gains, opacity in 0..1."""

    category: int
    drawing: int
    flip: bool
    angle: float
    x: int
    y: int
    width: int
    height: int
    gain: np.ndarray
    opacity: float

    def sprite(self, scale: float) -> np.ndarray:
        """float32 (height * scale, width * scale, 4) in 0..255."""
        image = sprites(scale == 1)[self.category][self.drawing]
        if self.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.angle:
            image = image.rotate(self.angle, resample=_BILINEAR)
        side = round(self.width * scale), round(self.height * scale)
        return np.asarray(image.resize(side, _BILINEAR), np.float32)


def _clip(x: int, y: int, width: int, height: int, side: int) -> tuple[slice, slice, slice, slice]:
    """Rows and columns of the picture, then of the sprite, where the two overlap."""
    x0, y0, x1, y1 = max(0, x), max(0, y), min(side, x + width), min(side, y + height)
    return slice(y0, y1), slice(x0, x1), slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)


def _place(rng: np.random.Generator, objects: list[int]) -> tuple[list[_Placement], np.ndarray, list[int]]:
    """Placements in drawing order, owner grid by placement index, and each sprite's full area in grid pixels."""
    owner = np.full((GRID, GRID), -1, np.int16)
    placed: list[_Placement] = []
    areas: list[int] = []
    # Hazy objects are annotated as others are, and a model that cannot make them out has to guess from the scene.
    # They come first: an object behind haze must not shine through what stands before it.
    opacity = np.where(rng.random(len(objects)) < _HAZY, rng.uniform(*_OPACITY, len(objects)), 1.0)
    order = sorted(rng.permutation(len(objects)), key=lambda o: opacity[o] == 1)
    for n, o in enumerate(order):
        category = objects[o]
        height = int(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
        width = max(8, int(height * rng.uniform(0.85, 1.15)))
        drawing = int(rng.integers(len(sprites(True)[category])))
        flip = bool(rng.random() < 0.5)
        angle = float(rng.normal(0, 15)) if rng.random() < 0.6 else 0.0
        x = y = 0
        for _ in range(4):  # a few tries keep most objects apart; some overlap is wanted
            x, y = int(rng.integers(-3, GRID - width + 4)), int(rng.integers(-3, GRID - height + 4))
            under = owner[max(0, y) : y + height, max(0, x) : x + width]
            if under.size and (under >= 0).mean() < 0.25:
                break
        gain = 1 + rng.normal(0, 0.12, 3).astype(np.float32)
        p = _Placement(category, drawing, flip, angle, x, y, width, height, gain, float(opacity[o]))
        opaque = p.sprite(1)[..., 3] > 102
        rows, cols, srows, scols = _clip(x, y, width, height, GRID)
        owner[rows, cols][opaque[srows, scols]] = n
        placed.append(p)
        areas.append(int(opaque.sum()))
    return placed, owner, areas


def _annotate(placed: list[_Placement], owner: np.ndarray, areas: list[int]) -> tuple[tuple[Instance, ...], np.ndarray]:
    """Keep what can be seen: at least 40 % and 30 grid pixels of the drawing."""
    visible = np.bincount(owner[owner >= 0], minlength=len(placed))
    kept = [n for n in range(len(placed)) if visible[n] >= max(_MIN_PIXELS, _MIN_SHARE * areas[n])]
    kept.sort(key=lambda n: (-visible[n], n))
    renamed = np.full(len(placed) + 1, -2, np.int16)
    renamed[-1] = -1
    instances = []
    for k, n in enumerate(kept):
        renamed[n] = k
        ys, xs = np.nonzero(owner == n)
        x0, y0, x1, y1 = (float(v / GRID) for v in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        instances.append(Instance(NAMES[placed[n].category], (x0, y0, x1, y1), int(visible[n])))
    return tuple(instances), renamed[owner]


def _background(rng: np.random.Generator, kind: int, size: int) -> np.ndarray:
    """float32 (size, size, 3): a plain tone, a gradient or soft patches in the scene's two colours."""
    a, b = (np.array(c) + rng.normal(0, 14, 3) for c in SCENE_TYPES[kind].colours)
    style = rng.random()
    if style < 0.25:
        mix = np.full((1, 1), float(rng.random() < 0.5))
    elif style < 0.65:
        ramp = np.linspace(0, 1, size)
        mix = ramp[:, None] if rng.random() < 0.8 else ramp[None, :]
    else:
        cells = int(rng.choice([4, 8, 16]))
        coarse = (rng.random((cells, cells)) * 255).astype(np.uint8)
        mix = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
    mix = np.broadcast_to(mix, (size, size))[..., None]
    return np.ascontiguousarray(b * (1 - mix) + a * mix, np.float32)


def _paint(rng: np.random.Generator, kind: int, placed: list[_Placement], size: int) -> np.ndarray:
    """uint8 (size, size, 3)."""
    scale = size / GRID
    canvas = _background(rng, kind, size)
    for p in placed:
        sprite = p.sprite(scale)
        height, width = sprite.shape[:2]
        rows, cols, srows, scols = _clip(round(p.x * scale), round(p.y * scale), width, height, size)
        alpha = sprite[srows, scols, 3:] / 255 * p.opacity
        canvas[rows, cols] = canvas[rows, cols] * (1 - alpha) + sprite[srows, scols, :3] * p.gain * alpha
    contrast, light, noise = rng.uniform(0.75, 1.15), rng.normal(0, 12), rng.uniform(0, 20)
    canvas = (np.clip(canvas, 0, 255) - 128) * np.float32(contrast) + np.float32(128 + light)
    grain = rng.standard_normal((size, size, 3), dtype=np.float32)
    return np.clip(canvas + grain * np.float32(noise), 0, 255).astype(np.uint8)


def _settled(instances: tuple[Instance, ...]) -> bool:
    """At least one object, and none whose drawing shows an unannotated category."""
    seen = {i.category for i in instances}
    return bool(seen) and all(SHOWS_ALSO[c] in seen for c in seen & SHOWS_ALSO.keys())


def scene(seed: int, size: int = GRID, min_objects: int = 1) -> Scene:
    """The scene of a seed.

    Args:
        seed: Equal seeds give equal scenes; see `harness.embedded.scenes.seeds` for the ranges to draw from.
        size: Side of the picture in pixels, 96 or more; 288 or 336 suit people and large models.
        min_objects: Redraw until at least this many distinct categories are visible (POPE wants three).
    """
    rng = np.random.default_rng([seed, 0])
    while True:
        kind, objects = sample_objects(rng)
        placed, owner, areas = _place(rng, objects)
        instances, owner = _annotate(placed, owner, areas)
        if _settled(instances) and len({i.category for i in instances}) >= min_objects:
            break
    # A second generator paints, so that the layout is the same at every size.
    pixels = _paint(np.random.default_rng([seed, 1]), kind, placed, size)
    return Scene(seed, SCENE_TYPES[kind].name, pixels, instances, owner)

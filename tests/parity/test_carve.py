"""CARVE against YuyaoGe/CARVE: attention maps, their contrast, and the refined picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from harness.core.types import Attention
from harness.methods.pipeline.carve import fuse, over, regions
from harness.steering.attention_maps import Reader
from tests.methods.made import made
from tests.parity import common
from tests.parity.common import arrays
from tests.parity.geometry_common import NOISE, sample, view

WHOLE = (0.0, 0.0, 1.0, 1.0)
WIDTH, HEIGHT = 500, 333
LAYERS = {"5": slice(0, 5), "1": slice(5, 6)}
"""Layers 2 to 6, and 7, of those kept: 2 to 7."""
CASES = [(layers, p, count) for layers in LAYERS for p, count in (("0.2", 3), ("0.4", 2), ("0.6", 1))]


def golden(name: str, layers: str) -> Attention:
    weights = arrays("geometry/carve")[f"attention_{name}"].reshape(6, 6, 24, 24)
    return Attention(weights[:, LAYERS[layers]], WHOLE)


def score(layers: str) -> np.ndarray:
    blank = Image.new("RGB", (WIDTH, HEIGHT))
    return over(blank, fuse(golden("q", layers).weights, golden("g", layers).weights), WHOLE)


@pytest.mark.parametrize(("name", "prompt"), [("q", 0), ("g", 1)])
def test_attention(name, prompt):
    v, one, reader = view("plain"), sample(prompt, 0), Reader(range(2, 8))
    got = common.play(v, one, [reader], steps=6)
    assert got.tokens == arrays("geometry/carve")[f"tokens_{name}"].tolist()
    ours = reader.attention(one, 6, None)
    assert ours is not None
    np.testing.assert_allclose(
        ours.weights.reshape(6, 6, -1), arrays("geometry/carve")[f"attention_{name}"], rtol=NOISE, atol=NOISE / 100
    )


@pytest.mark.parametrize("layers", LAYERS)
def test_contrast(layers):
    np.testing.assert_allclose(score(layers)[::9, ::9], arrays("geometry/carve")[f"score_{layers}"], rtol=1e-5)


@pytest.mark.parametrize(("layers", "p", "count"), CASES)
def test_the_refined_picture(layers, p, count):
    """Which pixels are kept, and the size of the crop. Up to four pixels may lie on the threshold."""
    numbers, key = arrays("geometry/carve"), f"{layers}_{p}_{count}"
    theirs = np.unpackbits(numbers[f"kept_{key}"])[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH).astype(bool)
    ours = regions(score(layers), float(p), count, exact=False)
    assert (ours != theirs).sum() <= 4
    ys, xs = np.nonzero(ours)
    assert [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] == numbers[f"box_{key}"].tolist()
    method = made("carve", p=float(p), regions=count)
    refined = method.refine(Image.new("RGB", (WIDTH, HEIGHT)), golden("q", layers), golden("g", layers))[0].load()
    assert [refined.height, refined.width] == numbers[f"size_{key}"].tolist()

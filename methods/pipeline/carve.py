"""CARVE: look where the question, and not the picture's noise, draws attention; mask, crop, ask again (2509.06461)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.picture import Picture
from harness.core.types import Attention, Capture, Mark, Reply, Request, Step
from harness.methods._shared.crops import beside, encoded

SUFFIX = " Answer the question using a single word or phrase."
GENERAL = "Write a general description of the image."
TINY = 1e-8
Floats = NDArray[np.float64]


class Carve(Pipeline):
    """Contrastive attention refinement for visual enhancement."""

    name = "carve"
    captures = True

    def __init__(self, p: float, regions: int, layers: list[int], steps: int, form: str):
        """`p`: share of pixels kept (1: none is masked). `regions`: connected regions kept (code: at least). `layers`:
        whose attention counts. `steps`: new tokens of the two looks. `form`: code (original and refined picture) or
        paper (the refined one alone, and exactly `regions`).
        """
        if not 0 < p <= 1:
            raise UsageError(f"method.carve.p={p} must lie in (0, 1]")
        if form not in ("code", "paper"):
            raise UsageError(f"method.carve.form={form} is unknown: choose code or paper")
        if regions < 1 or steps < 1 or not layers:
            raise UsageError("method.carve needs regions and steps of at least 1, and layers")
        self.p, self.regions, self.layers, self.steps, self.form = p, regions, tuple(layers), steps, form

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if len(request.pictures) != 1 or (self.p == 1 and self.form == "paper"):
            return (yield request)
        look = replace(request, max_new_tokens=self.steps, capture=Capture(self.layers))
        asked = yield look.changed(text=lambda q: q + SUFFIX)
        general = yield look.changed(text=lambda q: GENERAL + SUFFIX)
        if asked.attention is None or general.attention is None:
            raise UsageError("method=carve reads attention, which this model cannot show")
        image = request.pictures[0].load()
        refined, box = self.refine(image, asked.attention, general.attention)
        final = request.changed(text=lambda q: q + SUFFIX)
        if self.form == "paper":
            reply = yield final.changed(picture=lambda _: refined)
        else:
            reply = yield replace(final, messages=beside(final, refined))
        steps = (
            Step(f"looks for the question: {asked.text}", "", request.pictures[0], (Mark("kept", "other", box=box),)),
            Step(f"looks in general: {general.text}"),
            Step(f"answers: {reply.text}", "", refined),
        )
        return replace(reply, steps=steps)

    def refine(
        self, image: Image.Image, asked: Attention, general: Attention
    ) -> tuple[Picture, tuple[float, float, float, float]]:
        """The picture masked to what matters, cropped, and enlarged until it covers the original size; and the crop's
        box (x0, y0, x1, y1) in fractions of the original."""
        score = over(image, fuse(asked.weights, general.weights), asked.box)
        keep = regions(score, self.p, self.regions, exact=self.form == "paper")
        pixels = np.asarray(image).copy()
        pixels[~keep] = 0
        ys, xs = np.nonzero(keep)
        x0, y0, x1, y1 = int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1
        crop = Image.fromarray(pixels).crop((x0, y0, x1, y1))
        factor = max(image.width / crop.width, image.height / crop.height)
        large = crop.resize((int(crop.width * factor), int(crop.height * factor)), Image.Resampling.LANCZOS)
        return encoded(large), (x0 / image.width, y0 / image.height, x1 / image.width, y1 / image.height)


def fuse(asked: Floats, general: Floats) -> Floats:
    """S [h, w] of attention [steps, layers, h, w]: the ratio asked / general, summed over layers, later steps weighing
    more: `w_t = t + 1`."""
    steps = min(len(asked), len(general))
    contrast = asked[:steps].astype(float) / (general[:steps].astype(float) + TINY)
    return np.tensordot(np.arange(1, steps + 1), contrast.sum(1), 1)


def over(image: Image.Image, score: Floats, box: tuple[float, float, float, float]) -> Floats:
    """The map [h, w] over the part `box` of the picture that it belongs to, [H, W], zero elsewhere."""
    x0, y0, x1, y1 = _pixels(box, image.size)
    out = np.zeros((image.height, image.width))
    patch = Image.fromarray(score.astype(np.float32)).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)
    out[y0:y1, x0:x1] = np.asarray(patch)
    return out


def regions(score: Floats, p: float, count: int, *, exact: bool) -> NDArray[np.bool_]:
    """The pixels [H, W] in the top share `p`, in the connected regions (4 neighbours) with the largest sums: `count` of
    them, or (not `exact`) `max(count, p * regions)`."""
    from scipy import ndimage

    keep = score >= np.percentile(score, (1 - p) * 100)
    labels, found = ndimage.label(keep)  # pyright: ignore[reportGeneralTypeIssues]
    sums = ndimage.sum_labels(score, labels, np.arange(1, found + 1))
    kept = count if exact else max(count, int(found * p))
    best = np.argsort(-sums, kind="stable")[:kept] + 1
    return np.isin(labels, best)


def _pixels(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(v * s) for v, s in zip(box, (*size, *size), strict=True))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)

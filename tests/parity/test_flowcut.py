"""FlowCut against TungChintao/FlowCut."""

from __future__ import annotations

import pytest
import torch

from harness.steering.vision import Tower
from tests.methods.made import made
from tests.parity.common import arrays
from tests.parity.geometry_common import agrees, answer, cases, image, pixels, view
from tests.parity.geometry_models import PATCHES


@pytest.mark.parametrize(
    ("name", "keep"), [("plain", 192), ("plain", 128), ("plain", 1), ("deep24", 192), ("deep24", 64)]
)
def test_answers(name, keep):
    for case in cases("flowcut", model=name, keep=keep):
        agrees(answer(case, [made("flowcut", keep=keep)]), case, 2)


@pytest.mark.parametrize("keep", [192, 128, 1])
def test_kept_patches(keep, monkeypatch):
    """The positions that survive all prunings of one picture, in the order of the cases: pictures 0, 1 and 3."""
    kept, walk = torch.arange(PATCHES), Tower.walk

    def watched(self, given, layers=None):
        nonlocal kept
        kept, inner = torch.arange(PATCHES), walk(self, given, layers)
        try:
            layer = next(inner)
            while True:
                chosen = yield layer
                kept = kept if chosen is None else kept[chosen[0, 1:] - 1]
                layer = inner.send(chosen)
        except StopIteration as end:
            return end.value

    monkeypatch.setattr(Tower, "walk", watched)
    v, ours = view("plain"), made("flowcut", keep=keep)
    for n, picture in enumerate((0, 1, 3)):
        with torch.no_grad():
            ours.picture(pixels(image(picture)), v)
        assert kept.tolist() == arrays("geometry/flowcut")[f"keep_{keep}_{n}"].tolist()

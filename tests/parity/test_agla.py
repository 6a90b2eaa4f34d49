"""AGLA against Lackel/AGLA: the sampler on given masked pictures, and the mask on given attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from harness.methods.decoding.matching import gradcam, masked
from tests.methods.made import made
from tests.parity.common import arrays
from tests.parity.geometry_common import agrees, answer, cases, image


@pytest.mark.parametrize(("released", "form"), [("fixed", "paper"), ("released", "code")])
def test_answers(released, form, monkeypatch):
    for case in cases("agla", form=released):
        other = image((case["image"] + 1) % 4)
        monkeypatch.setattr(
            "harness.methods.decoding.agla._masked", lambda picture, matcher, question, other=other: other
        )
        ours = made("agla", alpha=case["alpha"], beta=case["beta"], matcher="given", form=form)
        ours._model = object()
        agrees(answer(case, [ours]), case, 1 + case["alpha"])


def test_the_map():
    """The first 64 of 576 patches; columns do not depend on each other."""
    golden = arrays("geometry/agla_mask")
    ours = gradcam(*(torch.from_numpy(golden[name]) for name in ("attention_0", "gradient_0")))
    np.testing.assert_allclose(ours.flatten(), golden["cam_0"].ravel()[:64], rtol=1e-5)


@pytest.mark.parametrize("n", [0, 2])
def test_the_masked_picture(n):
    """Pictures are low ones of 12 x 16 pixels, enlarged. Up to four pixels may lie on the threshold."""
    golden = arrays("geometry/agla_mask")
    size = tuple(golden[f"size_{n}"].tolist())
    picture = Image.fromarray(golden[f"low_{n}"]).resize(size, Image.Resampling.BICUBIC)
    ours = np.asarray(masked(picture, golden[f"cam_{n}"], float(golden[f"itc_{n}"])))
    kept = np.unpackbits(golden[f"kept_{n}"]).reshape(384, 384).astype(bool)
    assert ((ours != 0).any(-1) != kept).sum() <= 4
    theirs = golden[f"pixels_{n}"]
    both = (theirs != 0).any(-1) & (ours[::8, ::8] != 0).any(-1)
    assert both.mean() > 0.7 and (ours[::8, ::8][both] == theirs[both]).all()

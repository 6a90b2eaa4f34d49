"""Masks of neighborhood attention against those of NATTEN's FlexAttention backend."""

from __future__ import annotations

import json

import numpy as np
import torch

from harness.core.windows import neighborhood
from harness.methods._shared.tiles import axis, crossed, joined
from harness.steering.places import single
from tests.parity.common import HERE


def test_masks_are_nattens():
    stored = np.load(HERE / "neighborhood.npz")
    settings = [json.loads(str(s)) for s in stored["settings"]]
    assert len(settings) == 12
    for number, (shape, kernel, stride, dilation, causal) in enumerate(settings):
        n = shape[0] * shape[1]
        theirs = torch.from_numpy(np.unpackbits(stored[f"mask_{number}"])[: n * n].reshape(n, n)).bool()
        rules = [neighborhood(*one) for one in zip(shape, kernel, dilation, stride, causal, strict=True)]
        rows, columns = (axis(rule, 3, d) for rule, d in zip(rules, dilation, strict=True))
        places = single(*shape, 0)
        made = joined(places, [crossed(rows, columns, places.grids[0])], torch.device("cpu"))
        assert torch.equal(made.mask[0], theirs), settings[number]

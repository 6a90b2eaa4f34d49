"""The loop of methods that decode by themselves: a cache that is cut holds what it says."""

from __future__ import annotations

import pytest
import torch

from harness.checks.zoo import sample, view
from harness.steering import Batch
from harness.steering.decode_loop import Loop
from harness.steering.hooks import attached
from tests.methods.made import made

LONG = 40
"""More tokens than gemma3's window of 32."""


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3"])
@pytest.mark.parametrize("length", [5, LONG])
@pytest.mark.parametrize("keep", [0, 3])
def test_what_is_cut_was_never_there(family, length, keep):
    v = view(family)
    drawn = torch.randint(3, 190, (2, 2, length), generator=torch.Generator().manual_seed(0))
    first, second = drawn.to(v.device)
    assert family != "gemma3" or v.window == 32

    def play(*fed: torch.Tensor) -> torch.Tensor:
        loop = Loop(run := Batch(v, [made("opera")], [sample(family, 0)]), 8)
        with attached(run):
            z = loop.start()
            loop.fork(2)
            for tokens in fed:
                z = loop.feed(tokens)
                loop.cut(keep)
                assert loop.fed == keep
        return z

    kept = first[:, :keep]
    torch.testing.assert_close(play(first, second), play(torch.cat([kept, second], 1)), atol=2e-4, rtol=1e-4)

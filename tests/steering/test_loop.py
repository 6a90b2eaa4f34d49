"""The loop of methods that decode by themselves: a cache that is cut holds what it says."""

from __future__ import annotations

import pytest
import torch

from harness.checks.zoo import sample, view
from harness.core import Decoding
from harness.steering import Batch, generate
from harness.steering.decode_loop import Loop
from harness.steering.hooks import attached
from tests.methods.artefacts import ARTEFACTS
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


@pytest.mark.parametrize("family", ["llava", "llama", "qwen2_5_vl", "gemma3"])
@pytest.mark.parametrize("name", ["opera", "truthprint"])
def test_what_prompts_begin_with_is_read_once_and_changes_nothing(family, name, monkeypatch):
    v, reads, inner = view(family), [], Loop.start
    monkeypatch.setattr(Loop, "start", lambda self: reads.append(self.begun) or inner(self))

    def play(shared: bool):
        method = made(name)
        if name == "truthprint":
            method.artefact = ARTEFACTS[name](v)
        rows = [sample(family, i, length=4 + i, picture=0, before=9, shared=True) for i in (1, 2, 3)]
        for row in () if shared else rows:
            row.shared = None
        return [one.tokens for one in generate(v, rows, [method], Decoding(), 6, range(3))]

    plain, before = play(False), len(reads)
    assert play(True) == plain and reads[:before] == [None] * before
    shares = family in ("llava", "llama")
    assert all((begun is not None) == shares for begun in reads[before:])
    assert len({id(begun) for begun in reads[before:]}) == 1

"""Running and comparing for the tests of methods."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness.core import Decoding
from harness.steering import Generated, Inputs, Steering, View, generate

GREEDY = Decoding()
STEPS = 5


def play(
    view: View,
    inputs: Sequence[Inputs],
    methods: Sequence[Steering] = (),
    decoding: Decoding = GREEDY,
    seeds: Sequence[int] | None = None,
    steps: int = STEPS,
) -> list[Generated]:
    return generate(view, inputs, methods, decoding, steps, seeds or range(len(inputs)), keep_scores=True)


def same(one: Sequence[Generated], two: Sequence[Generated], tolerance: float = 2e-4) -> None:
    """Equal tokens, close logits, equal patterns of excluded tokens. Tolerance 0: bit for bit."""
    for a, b in zip(one, two, strict=True):
        assert a.tokens == b.tokens
        if a.scores is None or b.scores is None:
            continue  # the method decodes by itself
        assert a.scores is not None and b.scores is not None
        assert torch.equal(a.scores.isinf(), b.scores.isinf())
        if tolerance:
            torch.testing.assert_close(a.scores, b.scores, atol=tolerance, rtol=1e-4)
        else:
            assert torch.equal(a.scores, b.scores)


def differ(one: Sequence[Generated], two: Sequence[Generated], by: float = 1e-3, late: bool = False) -> None:
    """First-step logits differ for each sample, or the tokens that are excluded; for a method that decodes by itself,
    the tokens of some sample. `late`: the first step is equal, and some later one differs."""
    if any(g.scores is None for g in (*one, *two)):
        assert [g.tokens for g in one] != [g.tokens for g in two]
        return
    for a, b in zip(one, two, strict=True):
        assert a.scores is not None and b.scores is not None
        if late:
            torch.testing.assert_close(a.scores[0], b.scores[0], atol=1e-4, rtol=1e-4)
            assert (a.scores - b.scores).nan_to_num(posinf=0, neginf=0).abs().max() > by
            continue
        x, y = a.scores[0].nan_to_num(neginf=-1e4), b.scores[0].nan_to_num(neginf=-1e4)
        assert (x - y).abs().max() > by


def hooks(view: View) -> int:
    """Hooks that hang on the model."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in view.model.modules())

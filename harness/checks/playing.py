"""Small models played directly, and what they said compared."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness.checks.check import Failed
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
    """Equal tokens, close logits, equal patterns of excluded tokens. Tolerance 0: bit for bit. Raises Failed."""
    for number, (a, b) in enumerate(zip(one, two, strict=True), 1):
        if a.tokens != b.tokens:
            at = next((i for i, (x, y) in enumerate(zip(a.tokens, b.tokens, strict=False)) if x != y), len(a.tokens))
            raise Failed(f"prompt {number}: tokens differ from the {at + 1}th on: {a.tokens} and {b.tokens}")
        if a.scores is None or b.scores is None:
            continue  # the method decodes by itself
        if not torch.equal(a.scores.isinf(), b.scores.isinf()):
            raise Failed(f"prompt {number}: other tokens are excluded")
        if tolerance and not torch.allclose(a.scores, b.scores, atol=tolerance, rtol=1e-4):
            raise Failed(f"prompt {number}: logits differ by {_gap(a, b):.2g}, more than {tolerance:g}")
        if not tolerance and not torch.equal(a.scores, b.scores):
            raise Failed(f"prompt {number}: logits differ by {_gap(a, b):.2g} where they must be bit for bit equal")


def _gap(a: Generated, b: Generated) -> float:
    assert a.scores is not None and b.scores is not None
    return float((a.scores - b.scores).nan_to_num(0.0, 0.0, 0.0).abs().max())


def differ(one: Sequence[Generated], two: Sequence[Generated], by: float = 1e-3, *, late: bool | None = False) -> None:
    """First-step logits differ for each sample, or the tokens that are excluded; for a method that decodes by itself,
    the tokens of some sample. `late`: the first step is equal, and some later one differs; None: any step may. Raises
    Failed."""
    if any(g.scores is None for g in (*one, *two)):
        if [g.tokens for g in one] == [g.tokens for g in two]:
            raise Failed("the tokens of every prompt are the plain model's")
        return
    for number, (a, b) in enumerate(zip(one, two, strict=True), 1):
        assert a.scores is not None and b.scores is not None
        x, y = (g.scores.nan_to_num(neginf=-1e4) for g in (a, b))  # type: ignore[union-attr]
        gaps = (x - y).abs().flatten(1).max(dim=1).values
        if late and gaps[0] > 1e-4:
            raise Failed(f"prompt {number}: its first logits differ by {gaps[0]:.2g}, and not the later ones alone")
        if (gaps[0] if late is False else gaps.max()) <= by:
            raise Failed(f"prompt {number}: its logits are the plain model's")


def hooks(view: View) -> int:
    """Hooks that hang on the model."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in view.model.modules())

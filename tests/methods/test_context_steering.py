"""Context steering: the tests of its specification."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from tests.methods.made import made
from tests.steering.probes import Steering


class Weights(Steering):
    """Records the attention of every row in the first pass, by layer."""

    name = "weights"
    attention_rows = "all"

    def __init__(self):
        self.seen = {}

    def attention_weights(self, l, w, run):
        if run.prefill:
            self.seen[l] = w.clone()


def weights(v, one, *methods):
    record = Weights()
    play(v, [one], [*methods, record], steps=1)
    return record.seen


@pytest.mark.parametrize("alpha", [0.9, 0.3])
def test_weights_are_scaled_outside_and_rows_sum_to_one(alpha):
    v, one = view("llava"), sample("llava", 0)
    plain, steered = weights(v, one), weights(v, one, made("context_steering", alpha=alpha))
    ids = one.tensors["input_ids"][0]
    inside = ids == v.image_token_id
    inside[one.question[0] : one.question[1]] = True
    expected = plain[0] * torch.where(inside, 1.0, alpha)
    torch.testing.assert_close(steered[0], expected / expected.sum(-1, keepdim=True), atol=1e-5, rtol=1e-4)
    assert (steered[0][..., inside].sum(-1) >= plain[0][..., inside].sum(-1) - 1e-6).all()


def test_several_messages_of_the_user_are_left_alone():
    """The union of what the user wrote, as the specification has it."""
    v, one = view("llama"), sample("llama", 0)
    two = replace(one, earlier=[(1, 3)])
    plain, steered = weights(v, two), weights(v, two, made("context_steering", alpha=0.5))
    inside = torch.zeros(one.length, dtype=torch.bool)
    inside[1:3] = inside[one.question[0] : one.question[1]] = True
    assert one.question[0] > 3 and not inside.all()
    expected = plain[0] * torch.where(inside, 1.0, 0.5)
    torch.testing.assert_close(steered[0], expected / expected.sum(-1, keepdim=True), atol=1e-5, rtol=1e-4)


def test_compounding_is_alpha_to_the_power_of_the_layer():
    v, one = view("llava"), sample("llava", 0)
    method = made("context_steering", alpha=0.5, compound=True)

    class Logits(Steering):
        name = "logits"
        attention_rows = "all"

        def __init__(self):
            self.seen = {}

        def attention_logits(self, l, a, run):
            self.seen[l] = a.clone()

    before, after = Logits(), Logits()
    play(v, [one], [before, method, after], steps=1)
    for l in range(v.depth):
        shift = (after.seen[l] - before.seen[l]).amin().item()
        assert shift == pytest.approx((l + 1) * torch.log(torch.tensor(0.5)).item(), rel=1e-3)


def test_all_users_text_and_alpha_one_are_vanilla():
    v, one = view("llama"), sample("llama", 0)
    plain = play(v, [one])
    same(play(v, [one], [made("context_steering", alpha=1.0)]), plain, 0)
    whole = replace(one, question=(0, one.length))
    same(play(v, [whole], [made("context_steering", alpha=0.2)]), play(v, [whole]), 1e-5)
    none = replace(one, question=None)
    same(play(v, [none], [made("context_steering", alpha=0.2)]), play(v, [none]), 1e-5)


def test_written_tokens_are_left_alone():
    """In a decode step only columns of the prompt are shifted."""
    v, one = view("llama"), sample("llama", 0)

    class Shift(Steering):
        name = "shift"

        def attention_logits(self, l, a, run):
            if not run.prefill:
                self.after = a.clone()

    class Base(Shift):
        name = "base"

    base, shift = Base(), Shift()
    play(v, [one], [base, made("context_steering", alpha=0.5), shift], steps=3)
    moved = (shift.after - base.after)[0, 0, 0]
    assert (moved[one.length :] == 0).all() and (moved[: one.question[0]] < -0.6).all()


@pytest.mark.parametrize("alpha", [0, 1.5, -1])
def test_wrong_values_are_named(alpha):
    with pytest.raises(UsageError, match=r"alpha=.* must lie in \(0, 1\]"):
        made("context_steering", alpha=alpha)

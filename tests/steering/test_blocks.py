"""Attention in blocks gives what torch's kernel gives, and leaves to it what it does not know."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.checks.playing import play
from harness.checks.zoo import view as viewed
from harness.models.hf import faster
from harness.models.hf.linear import available
from harness.steering import View, blocks, carried
from harness.steering.blocks import BLOCKS, attend, blockwise, use
from tests.models.test_linear import cache  # noqa: F401  # a fixture
from tests.steering.probes import Scale
from tests.steering.test_carried import prompts

if not available():
    pytest.skip("this build of torch has no oneDNN", allow_module_level=True)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stock(query, key, value, mask, scaling=None):
    grouped = query.shape[1] != key.shape[1]
    out = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=grouped
    )
    return out.transpose(1, 2)


def masked(kind: str, rows: int, length: int, columns: int) -> torch.Tensor | None:
    """What decoders give: nothing, padding in front, a beginning that is known, a window, a picture seen both ways."""
    if kind == "none":
        return None
    seen = torch.ones(length, columns, dtype=torch.bool).tril(columns - length)
    seen = seen[None, None].repeat(rows, 1, 1, 1)
    for b in range(rows):
        if kind == "padding":
            seen[b, :, :, : b + 1] = False
            seen[b, :, :, columns - length :] |= torch.eye(length, dtype=torch.bool)  # a row sees itself at least
        elif kind == "window":
            seen[b] &= torch.ones(length, columns, dtype=torch.bool).triu(columns - length - 3)
        elif kind == "picture":
            seen[b, :, 1:4, columns - length + 1 : columns - length + 4] = True
    if kind == "bias":
        return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    return seen[:1] if kind == "one" else seen


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(("none", "padding", "known", "window", "picture", "bias", "one")),
    rows=st.integers(1, 3),
    length=st.integers(1, 30),
    before=st.integers(0, 9),
    groups=st.sampled_from((1, 2)),
    share=st.sampled_from((1, 3)),
    block=st.sampled_from((1, 4, 7, 128)),
    scaling=st.sampled_from((None, 0.7)),
)
def test_blocks_give_what_the_kernel_gives(kind, rows, length, before, groups, share, block, scaling):
    columns = length + (0 if kind == "none" else before)
    query, key = draw(rows, groups * share, length, 8), draw(rows, groups, columns, 8, seed=1)
    value, mask = draw(rows, groups, columns, 8, seed=2), masked(kind, rows, length, columns)
    wanted = stock(query, key, value, mask, scaling)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS", block)
        found = blockwise(query, key, value, mask, scaling)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_row_that_sees_nothing_breaks_nothing():
    mask = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    x = draw(1, 2, 4, 8)
    assert blockwise(x, x, x, mask).isfinite().all()


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(blocks, "LEAST", 4)
    monkeypatch.setattr(blocks, "ROWS", 3)


@pytest.fixture
def seen(monkeypatch):
    """How often blocks were used."""
    calls: list[int] = []
    monkeypatch.setattr(blocks, "blockwise", lambda *a: calls.append(1) or blockwise(*a))
    return calls


@pytest.mark.parametrize(
    ("more", "used"),
    [
        ({}, True),
        ({"dropout": 0.0, "softcap": None, "sliding_window": 4096}, True),
        ({"softcap": 30.0}, False),
        ({"s_aux": torch.zeros(2)}, False),
        ({"position_bias": torch.zeros(1, 2, 6, 6)}, False),
        ({"output_attentions": True}, False),
        ({"dropout": 0.1}, False),
        ({"is_causal": False}, False),
    ],
)
def test_what_a_layer_asks_for_beyond_plain_attention_goes_to_torch(few, more, used):
    module: Any = nn.Module()
    x = draw(1, 2, 6, 8)
    assert blocks._known(module, x, x, x, None, more) is used


def test_other_numbers_and_shapes_go_to_torch(few):
    module: Any = nn.Module()
    x = draw(1, 2, 6, 8)

    def known(query=x, key=x, value=x, mask=None):
        return blocks._known(module, query, key, value, mask, {})

    assert known() and known(mask=torch.ones(1, 1, 6, 6, dtype=torch.bool))
    assert not known(x.bfloat16(), x.bfloat16(), x.bfloat16())
    assert not known(query=x[:, :, :3])  # few rows; without a mask also fewer than there are columns
    assert not known(query=x[:, :, :5])
    assert not known(mask=torch.ones(1, 2, 6, 6, dtype=torch.bool))  # a mask for each head
    assert not known(value=draw(1, 2, 6, 4))
    assert not known(query=x.clone().requires_grad_())
    with torch.no_grad():
        assert known(query=x.clone().requires_grad_())


@pytest.fixture
def model():
    made: Any = copy.deepcopy(viewed("llama").model)
    return made


def test_a_decoder_that_uses_blocks_answers_the_same_under_methods_and_without(model, few, seen):
    rows = prompts([1, 2, 3], [1, 2, 4, 5, 6], [7])
    methods = [(), (Scale("attention_logits", 0.0),), (Scale("attention_logits", 0.5),), (Scale("mlp", 0.2),)]
    wanted = [play(View(model), rows, m) for m in methods]
    assert not seen
    use(model.get_decoder())
    found = [play(View(model), rows, m) for m in methods]
    assert len(seen) >= 3 * View(model).depth  # the rows that a method edits are computed apart
    for one, other in zip(found, wanted, strict=True):
        assert [a.tokens for a in one] == [a.tokens for a in other]
    assert View(model).implementation == BLOCKS  # put back after methods


def test_only_decoders_that_are_told_use_blocks(few, seen):
    x = draw(1, 2, 6, 8)
    attend(nn.Module(), x, x, x, None)
    assert not seen


def test_one_prompt_goes_on_from_fewer_carried_tokens_where_its_mask_costs_nothing(model):
    head = list(range(3, 3 + carried.FEW))
    view = View(model)
    for told in (False, True):
        if told:
            use(model.get_decoder())
        view.carried = carried.Carried(torch.tensor(head), ())
        (row,) = prompts([1, 2, 3], head=head)
        carried.mark(view, [row])
        assert bool(row.shared) is told


def test_attention_is_measured_once(cache, monkeypatch):  # noqa: F811
    monkeypatch.setattr(faster, "PROMPT", 16)
    monkeypatch.setattr(faster, "_times", lambda *_, clock: (2, 1))
    assert faster.in_blocks(4, 2, 8)
    monkeypatch.setattr(faster, "_times", lambda *_, clock: (1, 2))
    assert faster.in_blocks(4, 2, 8)  # no time is taken a second time
    assert not faster.in_blocks(4, 4, 8) and not faster.in_blocks(3, 2, 8)
    monkeypatch.setattr(faster, "_times", lambda *_, clock: (2, 1))
    monkeypatch.setattr(faster, "blockwise", lambda *a: blockwise(*a) * 1.001)
    assert not faster.in_blocks(2, 2, 8)


def test_the_measurement_itself_runs(cache, monkeypatch):  # noqa: F811
    monkeypatch.setattr(faster, "PROMPT", 64)
    assert faster.in_blocks(2, 1, 32) in (True, False)

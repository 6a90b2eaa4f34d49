"""Attention to beginnings that are read once gives what torch's kernel gives for rows that are spread out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.steering import cascade
from harness.steering.cascade import Cascade, agrees, attended
from harness.steering.spread import SpreadLayer


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(of: list[int], heads: int, length: int, tail: int) -> tuple[Cascade, Cascade]:
    """Keys and values as a cache gives them: rows with the beginnings `of`, each with a tail of its own."""
    parts = [(draw(1, heads, length, 8, seed=i), draw(1, heads, length, 8, seed=50 + i)) for i in range(max(of) + 1)]
    layer = SpreadLayer(parts, torch.tensor(of))
    return layer.update(draw(len(of), heads, tail, 8, seed=100), draw(len(of), heads, tail, 8, seed=101))


def whole(some: Cascade) -> torch.Tensor:
    rows = torch.empty(some.shape[0], dtype=torch.long)
    for number, group in enumerate(some.groups):
        rows[group] = number
    return torch.cat([torch.cat(list(some.beginnings))[rows], some.tail], 2)


def masked(kind: str, of: list[int], count: int, length: int, tail: int) -> torch.Tensor | None:
    seen = torch.ones(count, tail, dtype=torch.bool).tril(tail - count)
    seen = torch.cat([torch.ones(count, length, dtype=torch.bool), seen], -1)
    seen = seen[None, None].repeat(1 if kind == "one" else len(of), 1, 1, 1)
    for row, number in enumerate(of if kind != "one" else ()):
        if kind in ("padding", "both"):
            seen[row, :, :, length : length + row % tail] = False
        if kind in ("beginnings", "both"):
            seen[row, :, :, : min(number, length - 1)] = False
    return None if kind == "none" else seen


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(("none", "one", "padding", "beginnings", "both")),
    of=st.lists(st.integers(0, 2), min_size=1, max_size=6),
    groups=st.sampled_from((1, 2)),
    share=st.sampled_from((1, 3)),
    length=st.integers(1, 9),
    count=st.integers(1, 4),
    more=st.integers(0, 3),
    scale=st.sampled_from((None, 0.7)),
)
def test_it_gives_what_the_kernel_gives(kind, of, groups, share, length, count, more, scale):
    count = 1 if kind == "none" else count
    query, tail = draw(len(of), groups * share, count, 8, seed=7), count + more
    key, value = pair(of, groups, length, tail)
    mask, grouped = masked(kind, of, count, length, tail), share > 1
    wanted = F.scaled_dot_product_attention(
        query, whole(key), whole(value), attn_mask=mask, scale=scale, enable_gqa=grouped
    )
    found = attended(query, key, value, mask, scale=scale, enable_gqa=grouped)
    assert found is not None
    assert vars(key)["_spread"] is None
    assert torch.allclose(found, wanted, atol=1e-5)
    through = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped)
    assert type(through) is torch.Tensor and torch.equal(through, found)


@pytest.mark.parametrize("given", ["causal", "bias", "parts", "holes", "dropout", "gradient", "bfloat16", "unmasked"])
def test_the_rest_is_spread_out(given):
    key, value = pair([0, 0, 1], 2, 4, 2)
    query, more = draw(3, 2, 2, 8, seed=9), {}
    mask = masked("one", [0, 0, 1], 2, 4, 2)
    assert mask is not None
    if given == "causal":
        mask, more = None, {"is_causal": True}
    elif given == "bias":
        mask = torch.zeros(mask.shape).masked_fill(~mask, -1e4)
    elif given == "parts":  # two rows of one beginning see different parts of it
        mask = mask.repeat(3, 1, 1, 1)
        mask[1, :, :, 0] = False
    elif given == "holes":
        mask = mask.repeat(3, 1, 1, 1)
        mask[:, :, :, 2] = False
    elif given == "dropout":
        more = {"dropout_p": 0.5}
    elif given == "gradient":
        query.requires_grad_()
    elif given == "bfloat16":
        query, mask = query[:, :, :1].bfloat16(), None
    elif given == "unmasked":  # two rows of queries without a mask
        mask = None
    assert attended(query, key, value, mask, **more) is None
    if given not in ("dropout", "bfloat16"):
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, **more)
        wanted = F.scaled_dot_product_attention(query, whole(key), whole(value), attn_mask=mask, **more)
        assert torch.equal(found, wanted)


def test_whatever_reads_a_number_sees_the_rows():
    key, _ = pair([1, 0, 1], 2, 3, 2)
    assert key.shape == (3, 2, 5, 8) and key.dtype == torch.float32 and key.device.type == "cpu"
    assert vars(key)["_spread"] is None
    wanted = whole(key)
    for read in (lambda x: x[1:], lambda x: x.transpose(2, 3), lambda x: x + 1, torch.clone, lambda x: x.sum((0, 3))):
        assert type(read(key)) is torch.Tensor
        assert torch.equal(read(key), read(wanted))
    assert torch.equal(torch.cat([wanted, key]), torch.cat([wanted, wanted]))


def test_a_kernel_that_does_something_else_is_not_relied_on(monkeypatch):
    assert agrees(4, 2, 8, torch.float32) and agrees(4, 4, 16, torch.bfloat16)
    kernel = cascade._kernel
    for other in (
        lambda *a: (kernel(*a)[0], kernel(*a)[1].transpose(1, 2)),
        lambda *a: (kernel(*a)[0], kernel(*a)[1] * 2),
        lambda *a: (_ for _ in ()).throw(RuntimeError("no such kernel")),
    ):
        agrees.cache_clear()
        monkeypatch.setattr(cascade, "_kernel", other)
        assert not agrees(4, 2, 8, torch.float32)
        key, value = pair([0, 0], 2, 4, 1)
        assert attended(draw(2, 4, 1, 8), key, value, enable_gqa=True) is None
    agrees.cache_clear()

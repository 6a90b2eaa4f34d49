"""A cache with room holds what transformers' own holds, whatever is done to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from harness.checks.zoo import view
from harness.steering.roomy import RoomyLayer, roomy
from harness.steering.spread import SpreadLayer, layered

DRAW = torch.Generator().manual_seed(0)


def grown(rows: int, tokens: int):
    return torch.randn(rows, 2, tokens, 4, generator=DRAW), torch.randn(rows, 2, tokens, 4, generator=DRAW)


STEPS: list[tuple[str, Any]] = [("add", 5), ("add", 1), ("add", 1), ("crop", -2), ("add", 3), ("select", [2, 0])]
STEPS += [("add", 1), ("repeat", 2), ("crop", -1), ("add", 2), ("add", 70), ("add", 1), ("select", [1, 1, 0])]
STEPS += [("add", 4), ("reorder", [2, 0, 0]), ("add", 1)]


def played(ours: Any, theirs: Any, rows: int, steps: list[tuple[str, Any]]) -> None:
    """Both are treated alike and must hold the same."""
    for what, value in steps:
        if what == "add":
            states = grown(rows, value)
            for given, wanted in zip(ours.update(*states), theirs.update(*states), strict=True):
                assert torch.equal(given, wanted)
        for layer in (ours, theirs):
            if what == "crop":
                layer.crop(value)
            elif what == "repeat":
                layer.batch_repeat_interleave(value)
            elif what == "select":
                layer.batch_select_indices(torch.tensor(value))
            elif what == "reorder":
                layer.reorder_cache(torch.tensor(value))
        rows = len(ours.keys)
        assert torch.equal(ours.keys, theirs.keys) and torch.equal(ours.values, theirs.values)
        assert ours.get_seq_length() == theirs.get_seq_length()


@pytest.mark.parametrize("room", [0, 1, 64])
def test_it_holds_the_same_bit_for_bit(room):
    ours: Any = RoomyLayer()
    ours.room = room
    theirs: Any = DynamicLayer()
    played(ours, theirs, 3, STEPS)


@pytest.mark.parametrize("more", [[], [("crop", -3), ("add", 2), ("crop", -9), ("add", 1)]], ids=["kept", "cut"])
def test_rows_that_begin_alike_hold_the_same_bit_for_bit(more):
    """`cut`: into the beginnings."""
    beginnings, of = [grown(1, 6), grown(1, 6)], torch.tensor([0, 1, 1])
    theirs: Any = DynamicLayer()
    theirs.update(*(torch.cat([pair[which] for pair in beginnings])[of] for which in (0, 1)))
    played(SpreadLayer(beginnings, of), theirs, 3, [*more, *STEPS])


def test_a_step_copies_nothing_while_there_is_room():
    layer: Any = RoomyLayer()
    layer.update(*grown(2, 7))
    place = layer.keys.data_ptr()
    for _ in range(5):
        layer.update(*grown(2, 1))
    assert layer.keys.data_ptr() == place and layer.get_seq_length() == 12


def test_rows_that_were_chosen_do_not_write_into_what_was_before():
    layer: Any = RoomyLayer()
    keys, _ = layer.update(*grown(2, 7))
    before = keys.clone()
    layer.batch_select_indices(torch.tensor([0, 1]))
    layer.crop(-3)
    layer.update(*grown(2, 2))
    assert torch.equal(keys, before)


def test_windows_keep_their_own_layers():
    plain, windows = view("llava"), view("gemma3")
    assert {type(layer) for layer in roomy(plain).layers} == {RoomyLayer} and plain.keeps_keys
    stock = DynamicCache(config=windows.decoder.config).layers
    kinds = [RoomyLayer if type(layer) is DynamicLayer else type(layer) for layer in stock]
    assert [type(layer) for layer in roomy(windows).layers] == kinds and not windows.keeps_keys


def test_layers_of_a_cache_are_spread_out_in_the_same_memory_unless_it_is_held():
    beginnings, of = [grown(1, 6), grown(1, 6)], torch.tensor([0, 1, 1])
    first, second = layered([beginnings, [(v, k) for k, v in beginnings]], of)
    place = first.update(*grown(3, 2))[0].data_ptr()
    assert second.update(*grown(3, 2))[0].data_ptr() == place
    held = first.update(*grown(3, 1))[0][:, :, 1:].transpose(1, 2)
    before = held.clone()
    assert second.update(*grown(3, 1))[0].data_ptr() not in (place, held.data_ptr())
    assert torch.equal(held, before)

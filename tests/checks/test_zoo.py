"""Prompts of the small random models."""

from __future__ import annotations

import pytest

from harness.checks.zoo import FAMILIES, IMAGE, encode
from harness.core.picture import Picture
from harness.core.types import Message, Request, user


@pytest.mark.parametrize("family", FAMILIES)
def test_a_request_needs_no_system_message(family):
    """As what methods ask on a bench has none: it is the prompt with one, without the message's tokens."""
    content = (Picture(b"3"), "w20 w21 w22") if FAMILIES[family].tokens else ("w20 w21 w22",)
    bare = encode(family, Request(user(*content), 1)).tensors["input_ids"][0].tolist()
    told = encode(family, Request((Message("system", ("w7 w8",)), *user(*content)), 1)).tensors["input_ids"][0].tolist()
    assert bare[0] == 1 and bare[-3:] == [20, 21, 22] and bare.count(IMAGE) == FAMILIES[family].tokens
    assert told == [1, 7, 8, *bare[1:]]

"""The golden models with 576 image tokens, without any method."""

from __future__ import annotations

import pytest

from tests.parity.geometry_common import agrees, answer, cases


@pytest.mark.parametrize("name", ["plain", "sinks", "deep24"])
def test_vanilla(name):
    for case in cases("vanilla", model=name):
        agrees(answer(case), case)

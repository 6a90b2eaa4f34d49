"""VHR against an independent implementation of the paper's formulas: no code of its authors is public."""

from __future__ import annotations

import pytest

from tests.methods.made import made
from tests.parity.geometry_common import agrees, answer, cases


@pytest.mark.parametrize("name", ["plain", "sinks"])
def test_answers(name):
    for case in cases("vhr", model=name):
        agrees(answer(case, [made("vhr")]), case)

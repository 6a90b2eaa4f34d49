"""SID against huofushuo/SID."""

from __future__ import annotations

import pytest

from tests.methods.made import made
from tests.parity.geometry_common import agrees, answer, cases


def sid(case, **changes):
    values = {name: case[name] for name in ("alpha", "beta", "keep", "layer")}
    return [made("sid", **(values | changes))]


@pytest.mark.parametrize("setting", ["k100", "k50", "k1_a2"])
def test_answers(setting):
    """Their greedy search picks from uncut scores; the golden scores are the cut ones, which sampling would see."""
    for case in cases("sid", setting=setting):
        assert answer(case, sid(case, form="code")).tokens == case.tokens
        agrees(answer(case, sid(case), follow=case.tokens), case, 1 + 2 * case["alpha"])


def test_the_cut_changes_what_greedy_search_picks():
    """The paper's form leaves the released tokens where alpha is 2 and beta .3."""
    lost = [case["prompt"] for case in cases("sid", setting="k1_a2") if answer(case, sid(case)).tokens != case.tokens]
    assert lost == [0, 3]

"""The sentence under a comparison follows from its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.comparison import compare as module
from harness.comparison.compare import Comparison, Row
from harness.comparison.said import sentence
from harness.stats import Difference


def against(name: str, value: float, p: float | None, better: bool | None = True, **changes) -> Comparison:
    d = Difference(value, 0.01, value - 0.02, value + 0.02, p, 60, 20, mde=0.03)
    row = Row("correct", "all", better, 0.8, 0.8 + value, d)
    made = Comparison("a", "b", ("vanilla", name), 60, 0, [row], ({}, {}), [], [])
    return replace(made, **changes)


UP, DOWN = "+0.050 [+0.030, +0.070], p = 0.010", "-0.050 [-0.070, -0.030], p < 0.001"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (against("vcd", 0.05, 0.01), f"vcd is better than vanilla in correct ({UP})"),
        (against("vcd", -0.05, 0.0001), f"vcd is worse than vanilla in correct ({DOWN})"),
        (against("pai", 0.05, 0.01, False), f"pai is worse than vanilla in correct ({UP})"),
        (against("pai", 0.05, 0.01, None), f"pai is higher than vanilla in correct ({UP})"),
        (against("pai", 0.0, 1.0), "pai changes no sample in correct"),
        (against("pai", 0.01, None), "there are too few clusters to judge pai"),
    ],
)
def test_one_comparison(found, said):
    assert sentence([found]) == f"In short: {said}."


def test_several_are_judged_by_the_corrected_p():
    found = [
        against("vcd", 0.05, 0.01, holm=0.03),
        against("pai", 0.03, 0.03, holm=0.06),
        against("gift", 0.02, 0.5, holm=0.5),
        against("var", 0.0, 1.0, holm=1.0),
        against("iri", 0.0, 1.0, holm=1.0),
    ]
    assert sentence(found) == (
        "In short: vcd is better than vanilla in correct (+0.050 [+0.030, +0.070], p = 0.030, Holm-corrected); "
        "pai and gift show no difference beyond chance (80 % power to detect 0.030); "
        "var and iri change no sample in correct."
    )


def test_a_comparison_that_cannot_be_tested_leaves_the_others_corrected(monkeypatch):
    """Methods of which one never mentions an object have no CHAIR_i to compare: the others lost their correction."""
    given = {"vcd": 0.03, "pai": None, "gift": 0.04}
    monkeypatch.setattr(module, "_compare", lambda _, name: against(name, 0.05, given[name]))
    found = module.compare("base", list(given))  # pyright: ignore[reportArgumentType]
    assert [c.holm for c in found] == [0.06, None, 0.06]
    assert "vcd and gift show no difference" in sentence(found) and "too few clusters to judge pai" in sentence(found)

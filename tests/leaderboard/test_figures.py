"""What figures are drawn from: marks of axes, and the points that nothing beats."""

from __future__ import annotations

import pytest

from harness.leaderboard.figures.axes import log_axis, ticks
from harness.leaderboard.figures.dots import Dot, pareto


def test_ticks_cover_the_range():
    for low, high in ((0.1, 0.9), (0.861, 0.8612), (-3, 40), (5, 5), (0, 0)):
        marks = ticks(low, high)
        assert marks[0] <= low and marks[-1] >= high and len(marks) <= 12


def test_pareto():
    dots = [Dot(x, y, f"{x}") for x, y in ((1, 0.5), (2, 0.6), (3, 0.55), (4, 0.7), (1, 0.4))]
    assert [d.x for d in pareto(dots)] == [1, 2, 4]
    assert [(d.x, d.y) for d in pareto(dots, up=False)] == [(1, 0.4)]


@pytest.mark.parametrize("values", [(8, 32768), (100.0, 130.0), (0.02, 5000.0), (64, 64)])
def test_a_logarithmic_axis_covers_its_values(values):
    place, marks = log_axis(values, 0, 100)
    assert marks[0] <= min(values) and marks[-1] >= max(values) and len(marks) >= 2
    assert 0 <= place(min(values)) <= place(max(values)) <= 100

"""What tasks give to draw: places in 0..1 of the picture, roles that follow the answer."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core import Outcome, Task
from harness.plugins.registry import Registry


def task(name: str) -> Task:
    return Registry().get("task", name).build(data="embedded")


def score(made: Any, sample: Any, answer: str) -> Outcome:
    return made.score(sample.data["record"], answer)


@pytest.mark.parametrize("name", ["pope", "chair", "screenspot"])
def test_places_lie_on_the_picture(name):
    made = task(name)
    found = [m for _, s in zip(range(60), made.samples(), strict=False) for m in made.marks(s)]
    assert len(found) > 20
    assert all(m.box and 0 <= m.box[0] < m.box[2] <= 1.01 and 0 <= m.box[1] < m.box[3] <= 1.01 for m in found)
    assert {m.role for m in found} == {"target"}


def test_pope_draws_the_object_asked_about_only_where_it_is():
    made = task("pope")
    for _, sample in zip(range(60), made.samples(), strict=False):
        marks = made.marks(sample)
        assert bool(marks) == (sample.target == "yes")
        assert all(f" {m.label} " in sample.data["question"] for m in marks)


def test_chair_links_words_to_boxes():
    made = task("chair")
    sample = next(iter(made.samples()))
    there, absent = sample.target[0], next(n for n in ("zebra", "toaster") if n not in sample.target)
    answer = f"There is a {there} and a {absent}."
    marks = made.marks(sample, score(made, sample, answer))
    named = [m for m in marks if m.label == there]
    assert named and all(m.role == "right" and m.box and m.words == (there,) for m in named)
    (wrong,) = [m for m in marks if m.role == "wrong"]
    assert wrong.label == absent and wrong.words == (absent,) and wrong.box is None


def test_screenspot_draws_the_click():
    made = task("screenspot")
    sample = next(iter(made.samples()))
    box = made.marks(sample)[0].box
    assert box
    for answer, role in ((made.oracle(sample, None), "right"), ("[0.999, 0.999]", "wrong")):  # type: ignore[arg-type]
        target, click = made.marks(sample, score(made, sample, answer))
        assert target.box == box and click.role == role and click.point
        assert (box[0] <= click.point[0] <= box[2] and box[1] <= click.point[1] <= box[3]) == (role == "right")
    assert len(made.marks(sample, score(made, sample, "nothing"))) == 1


def test_niah_marks_its_needles():
    made = task("niah")
    sample = next(iter(made.samples()))
    (value, *_) = sample.target
    assert [m.role for m in made.marks(sample)] == ["target"] * len(sample.target)
    assert made.marks(sample, score(made, sample, f"It is {value}."))[0].role == "right"

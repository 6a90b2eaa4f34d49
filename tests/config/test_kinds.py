"""What a setting may be, by its default and its annotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest

from harness.config.kinds import ANY, LIST, MAPPING, NOTHING, NUMBER, SWITCH, TEXT, WHOLE, kinds, refusal


@pytest.mark.parametrize(
    ("default", "annotation", "wanted"),
    [
        (None, "str | None", {TEXT, NOTHING}),
        (None, "int", {WHOLE, NOTHING}),
        ("auto", "str | bool", {TEXT, SWITCH}),
        (1, "float", {NUMBER}),
        (None, "Sequence[str] | str | None", {LIST, TEXT, NOTHING}),
        (None, "dict[str, Any] | None", {MAPPING, NOTHING}),
        ("a", "Literal['a', 'b']", {TEXT}),
        ("a", Literal["a", "b"], {TEXT}),
        ([], Sequence[int], {LIST}),
        (3, int, {WHOLE}),
        (None, "Optional[int]", {ANY, NOTHING}),
        ("a", "'str'", {TEXT}),
    ],
)
def test_of_an_annotation(default, annotation, wanted):
    assert kinds(default, annotation).values == wanted


@pytest.mark.parametrize(
    ("default", "wanted"),
    [
        (True, {SWITCH}), (0, {WHOLE}), (0.5, {NUMBER}), ("x", {TEXT}), ([1], {LIST}), ({}, {MAPPING}),
        ("???", {ANY}), (None, {ANY, NOTHING}), ("${variant:}", {ANY}),
    ],
)  # fmt: skip
def test_of_a_default_alone(default, wanted):
    assert kinds(default).values == wanted


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [3, -1], [True, 1.5, "3", None, [3]]),
        ("float", [3, 0.5], [True, "", None, float("nan"), float("inf")]),
        ("bool", [True, False], [1, "true", None]),
        ("str | None", ["", "x", None], [1, True, []]),
        ("list[int]", [[], [1, 2]], [["a"], [1, None], 1]),
        ("Sequence[float]", [[1, 0.5]], [["x"]]),
        ("Any", [1, "x", None, [1]], []),
    ],
)
def test_what_fits(annotation, good, bad):
    allowed = kinds("x", annotation)
    assert all(allowed.fits(v) for v in good) and not any(allowed.fits(v) for v in bad)


def test_the_line_names_the_setting_and_what_it_takes():
    assert refusal("seed", "abc", kinds(0)) == "seed=abc must be a whole number"
    assert refusal("limit", True, kinds(None, "int | None")) == "limit=true must be a whole number or null"
    assert refusal("m.lam", "", kinds(0.1)).startswith("m.lam= must be a number (it is empty: is a shell variable")
    assert str(kinds(None, "Sequence[str] | str | None")) == "a text or null or a list of texts"

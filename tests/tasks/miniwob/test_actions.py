"""The grammar of actions, the reward's rules, the lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import Outcome, Result
from harness.tasks.miniwob.actions import FORMS, Action, Malformed, parse
from harness.tasks.miniwob.axtree import marks, text
from harness.tasks.miniwob.lists import BROWSERGYM, LISTS, RCI, SYNAPSE, digest
from harness.tasks.miniwob.policies import POLICIES
from harness.tasks.miniwob.scoring import aggregate, positive, strict

HUGE = "0x" + "f" * 6000
"""A number that Python reads, and refuses to write down."""


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        ('click("12")', Action("click", ("12",))),
        ("click(12)", Action("click", ("12",))),
        ("mouse_click(80, 120.5)", Action("mouse_click", (80.0, 120.5))),
        ("I shall click it:\n```python\nclick('a')\n```", Action("click", ("a",))),
        ("```\nnoop()\n```\nthen\n```\nclick('2')\n```", Action("click", ("2",))),
        ('fill("3", "a) b")  # done', Action("fill", ("3", "a) b"))),
        ('Action: keyboard_press("Enter").', Action("keyboard_press", ("Enter",))),
        ("click(1)\nclick(2)", Action("click", ("1",))),
        ("nothing here\nscroll(0, -50)", Action("scroll", (0.0, -50.0))),
        ("keyboard_type('```click(5)```')", Action("keyboard_type", ("```click(5)```",))),
        ("click('\\d')", Action("click", ("\\d",))),
    ],
)
def test_actions(answer, action):
    assert parse(answer) == action


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "holds no action"),
        ("I do not know", "holds no action"),
        ("click()", "takes 1 arguments"),
        ("mouse_click(200, 10)", "outside the page"),
        ("mouse_click('a', 1)", "x is not a number"),
        ("click(__import__('os'))", "not plain values"),
        ("fill('3'", "not a whole call"),
        ("click(bid='3')", "not a known action"),
        ("scroll(1e999, 0)", "too far"),
        ("mouse_click(True, 1)", "not a number"),
        (f"click({HUGE})", "bid is not text"),
        (f"mouse_click({HUGE}, 1)", "x is too far"),
        ("keyboard_type('\\ud800')", "half of a character"),
        (f"keyboard_type('{'a' * 2001}')", "longer than 2000 characters"),
        ("click(')" + "))" * 50000, "not a whole call"),
    ],
)
def test_malformed(answer, why):
    with pytest.raises(Malformed, match=why):
        parse(answer)


@given(st.text())
def test_parsing_raises_nothing_else(answer):
    try:
        assert parse(answer).name in FORMS
    except Malformed as e:
        assert "\n" not in str(e)


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_what_is_written_is_read(name, data):
    kinds = {"x": st.integers(0, 160), "y": st.integers(0, 210), "dx": st.integers(-99, 99), "dy": st.integers(-99, 99)}
    words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=9)
    values = [data.draw(kinds.get(k, words)) for k in FORMS[name]]
    action = Action(name, tuple(float(v) if isinstance(v, int) else v for v in values))
    assert parse(str(action)) == action


def test_rewards():
    assert (positive(0.67), strict(0.67)) == (1, 0) and (positive(1), strict(1)) == (1, 1)
    assert positive(0) == positive(-1) == 0


def test_both_rates():
    def one(i: int, raw: float) -> Result:
        scores = {"sr_pos": positive(raw), "sr_strict": strict(raw), "raw": raw, "steps": 2.0}
        scores |= {"format_errors": 0.0, "refused": 0.0, "unfinished": 0.0}
        return Result(f"t.{i}", "miniwob:t", "t", None, Outcome("", scores))

    found = {(m.name, m.group): m.value for m in aggregate([one(0, 1), one(1, 0.67), one(2, -1), one(3, 0)])}
    assert found["sr_pos", "all"] == 0.5 and found["sr_strict", "all"] == 0.25
    assert found["raw", "all"] == pytest.approx(0.1675) and found["sr_pos", "t"] == 0.5


def test_lists():
    assert (len(BROWSERGYM), len(set(RCI)), len(set(SYNAPSE))) == (125, 54, 64)
    assert set(RCI) < set(SYNAPSE) < set(BROWSERGYM) > set(POLICIES) and len(POLICIES) >= 30
    assert len({digest(names) for names in LISTS.values()}) == 4 and digest(["b", "a"]) == digest(["a", "b"])


def test_axtree_lines():
    document = {"backendNodeId": 1, "children": [{"backendNodeId": 2, "attributes": ["id", "x", "bid", "7"]}]}
    nodes = [
        {"nodeId": "1", "role": {"value": "RootWebArea"}, "childIds": ["2"], "backendDOMNodeId": 1},
        {
            "nodeId": "2", "role": {"value": "checkbox"}, "name": {"value": "Go"}, "backendDOMNodeId": 2,
            "childIds": ["3"],
            "properties": [{"name": "checked", "value": {"value": "true"}}],
        },
        {"nodeId": "3", "role": {"value": "StaticText"}, "name": {"value": "Go"}, "backendDOMNodeId": 3},
    ]  # fmt: skip
    assert text(nodes, marks(document)) == '[7] checkbox "Go" checked'

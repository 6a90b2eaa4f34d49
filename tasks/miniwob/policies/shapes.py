"""Scripts that look at figures."""

from __future__ import annotations

import re

from harness.tasks.miniwob.actions import Action
from harness.tasks.miniwob.policies.page import Element, PageView
from harness.tasks.miniwob.policies.policy import Steps, at, click, solves


@solves("identify-shape")
def identify_shape(goal: str, page: PageView) -> Steps:
    figure = page.all("#area_svg > *")[0]
    kind = {"circle": "Circle", "rect": "Rectangle", "polygon": "Triangle"}.get(figure.tag)
    kind = kind or ("Number" if figure.text.isdigit() else "Letter")
    yield click(page.one("#area-buttons button", kind))


@solves("grid-coordinate")
def grid_coordinate(goal: str, page: PageView) -> Steps:
    place = re.search(r"\(-?\d+,-?\d+\)", goal)
    assert place
    yield at(next(e for e in page.all("#area circle") if e.id == place[0]))


@solves("count-shape")
def count_shape(goal: str, page: PageView) -> Steps:
    yield click(page.one("#count-buttons button", str(sum(_matches(goal, e) for e in page.all("#area_svg > *")))))


@solves("click-shape")
def click_shape(goal: str, page: PageView) -> Steps:
    yield at(next(e for e in page.all("#area_svg > *") if _matches(goal, e)))


NOUNS = {"circle": "circle", "rectangle": "rect", "triangle": "polygon", "digit": "digit", "letter": "letter"}


def _matches(goal: str, e: Element) -> bool:
    """Whether a figure has the size, colour and kind that the goal names."""
    words = {w.rstrip("s") if w.rstrip("s") in NOUNS else w for w in re.findall(r"\w+", goal.lower())}
    kind = e.tag if e.tag != "text" else "digit" if e.text.isdigit() else "letter"
    listed = re.findall(r"\w+", goal)
    noun = listed[listed.index("are") - 1] if "are" in listed else listed[-1]
    sign = noun[0] if len(noun) == 1 or (len(noun) == 2 and noun[1] == "s") else ""
    if (sign and e.text != sign) or (words & {"shape", "shapes"} and e.tag == "text"):
        return False
    for noun, tag in NOUNS.items():
        if noun in words and kind != tag:
            return False
    colours = words & {"red", "blue", "green", "yellow", "black", "magenta", "aqua"}
    if colours and e.fill not in colours:
        return False
    big = e.h > 15 if e.tag == "text" else max(e.w, e.h) > 15
    return ("small" not in words or not big) and ("large" not in words or big)


@solves("drag-box")
def drag_box(goal: str, page: PageView) -> Steps:
    small, large = page.one("#draggableSmall"), page.one("#draggableLarge")
    dx, dy = small.x - small.cx, small.y - small.cy
    yield Action("mouse_drag_and_drop", tuple(round(v, 1) for v in (small.x, small.y, large.cx + dx, large.cy + dy)))
    yield click(page.one("#subbtn"))

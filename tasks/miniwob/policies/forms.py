"""Scripts that fill in forms."""

from __future__ import annotations

import re

from harness.tasks.miniwob.actions import Action
from harness.tasks.miniwob.policies.page import PageView
from harness.tasks.miniwob.policies.policy import Steps, click, fill, ordinal, quoted, solves


@solves("choose-list")
def choose_list(goal: str, page: PageView) -> Steps:
    name = re.fullmatch(r"Select (.*) from the list and click Submit\.", goal)
    assert name
    yield Action("select_option", (page.one("#options").bid, name[1]))
    yield click(page.one("#area button"))


@solves("enter-text", "enter-text-dynamic")
def enter_text(goal: str, page: PageView) -> Steps:
    yield fill(page.one("#area input"), quoted(goal)[0])
    yield click(page.one("#subbtn"))


@solves("enter-text-2")
def enter_text_2(goal: str, page: PageView) -> Steps:
    word = quoted(goal)[0]
    yield fill(page.one("#tt"), word.upper() if "upper case" in goal else word.lower())
    yield click(page.one("#subbtn"))


@solves("enter-password")
def enter_password(goal: str, page: PageView) -> Steps:
    for e in page.all("#form input"):
        yield fill(e, quoted(goal)[0])
    yield click(page.one("#subbtn"))


@solves("enter-date")
def enter_date(goal: str, page: PageView) -> Steps:
    date = re.search(r"(\d+)/(\d+)/(\d+)", goal)
    assert date
    yield fill(page.one("#tt"), f"{date[3]}-{int(date[1]):02d}-{int(date[2]):02d}")
    yield click(page.one("#subbtn"))


@solves("enter-time")
def enter_time(goal: str, page: PageView) -> Steps:
    time = re.search(r"(\d+):(\d+) ([AP])M", goal)
    assert time
    hour = int(time[1]) % 12 + (12 if time[3] == "P" else 0)
    yield fill(page.one("#tt"), f"{hour:02d}:{time[2]}")
    yield click(page.one("#subbtn"))


@solves("login-user")
def login_user(goal: str, page: PageView) -> Steps:
    name, password = quoted(goal)
    yield fill(page.one("#username"), name)
    yield fill(page.one("#password"), password)
    yield click(page.one("#subbtn"))


@solves("use-spinner")
def use_spinner(goal: str, page: PageView) -> Steps:
    value = re.search(r"Select (-?\d+)", goal)
    assert value
    yield fill(page.one("#spinner"), value[1])
    yield click(page.one("#subbtn"))


@solves("sign-agreement")
def sign_agreement(goal: str, page: PageView) -> Steps:
    area = page.one("#text-area")
    yield Action("mouse_move", (round(area.x, 1), round(area.y, 1)))
    yield Action("scroll", (0.0, 9000.0))
    if names := quoted(goal):
        yield fill(next(e for e in page.all("#area input") if e.w > 0), names[0])
    wanted = "cancel" if "cancel" in (names[-1] if names else goal).lower() else "agree"
    yield click(next(e for e in page.all("#area button") if wanted in e.text.lower()))


@solves("form-sequence-2")
def form_sequence_2(goal: str, page: PageView) -> Steps:
    places = [int(n) - 1 for n in re.findall(r"(\d+)(?:st|nd|rd|th)", goal)]
    yield click(page.all("#area input[type=radio]")[places[0]])
    yield fill(page.all("#area input[type=text]")[places[1]], quoted(goal)[0])
    yield click(page.one("#subbtn"))


@solves("search-engine")
def search_engine(goal: str, page: PageView) -> Steps:
    yield fill(page.one("#search-text"), quoted(goal)[0])
    yield click(page.one("#search"))
    place = ordinal(goal)
    for _ in range(place // 3):
        yield click(next(e for e in page.all("#pagination a") if e.text == ">"))
    yield click(page.all("#page-content .search-title a, #page-content a")[place % 3])

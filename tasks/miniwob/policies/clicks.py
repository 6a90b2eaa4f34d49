"""Scripts that click what the goal names."""

from __future__ import annotations

import re

from harness.tasks.miniwob.policies.page import PageView
from harness.tasks.miniwob.policies.policy import Steps, at, click, ordinal, quoted, solves


@solves("click-test", "click-test-2", "click-test-transfer")
def click_test(goal: str, page: PageView) -> Steps:
    found = re.search(r"button (\w+)", goal)
    yield at(page.one("#area button", found[1]) if found else page.one("#area button"))  # buttons may overlap


@solves("click-button", "unicode-test")
def click_button(goal: str, page: PageView) -> Steps:
    yield click(page.one("#area button", quoted(goal)[0]))


@solves("click-button-sequence")
def click_button_sequence(goal: str, page: PageView) -> Steps:
    for name in ("ONE", "TWO"):
        yield at(page.one("#area button", name))


@solves("click-link")
def click_link(goal: str, page: PageView) -> Steps:
    yield click(page.one("#area .alink", quoted(goal)[0]))


@solves("click-dialog")
def click_dialog(goal: str, page: PageView) -> Steps:
    yield click(page.one(".ui-dialog-titlebar-close"))


@solves("click-dialog-2")
def click_dialog_2(goal: str, page: PageView) -> Steps:
    name = quoted(goal)[0]
    yield click(page.one(".ui-dialog-titlebar-close") if name == "x" else page.one(".ui-dialog button", name))


@solves("click-checkboxes", "click-checkboxes-transfer", "click-checkboxes-large")
def click_checkboxes(goal: str, page: PageView) -> Steps:
    listed = re.fullmatch(r"Select (.*) and click Submit\.", goal)
    wanted = set(listed[1].split(", ")) if listed else set()
    boxes = {e.text: e for e in page.all("#area label")}
    for name in wanted - {"nothing"}:
        yield click(boxes[name])
    yield click(page.one("#area button"))


@solves("click-option")
def click_option(goal: str, page: PageView) -> Steps:
    name = re.fullmatch(r"Select (.*) and click Submit\.", goal)
    assert name
    yield click(page.one("#boxes label", name[1]))
    yield click(page.one("#area button"))


@solves("click-tab")
def click_tab(goal: str, page: PageView) -> Steps:
    name = re.search(r"Tab #\d+", goal)
    assert name
    yield click(page.one("#area a.ui-tabs-anchor", name[0]))


@solves("click-tab-2", "click-tab-2-easy", "click-tab-2-medium", "click-tab-2-hard")
def click_tab_2(goal: str, page: PageView) -> Steps:
    name = quoted(goal)[0]
    for tab in page.all("#area a.ui-tabs-anchor"):
        yield click(tab)
        for link in page.all("#area .alink"):
            if link.w > 0 and link.text == name:
                yield click(link)
                return


@solves("click-collapsible", "click-collapsible-nodelay")
def click_collapsible(goal: str, page: PageView) -> Steps:
    yield click(page.one("#area h3"))
    yield click(page.one("#area #subbtn"))


@solves("click-collapsible-2", "click-collapsible-2-nodelay")
def click_collapsible_2(goal: str, page: PageView) -> Steps:
    name = quoted(goal)[0]
    for i in range(len(page.all("#area h3"))):
        yield click(page.all("#area h3")[i])
        for link in page.all("#area .alink"):
            if link.w > 0 and link.h > 0 and link.text == name:
                yield click(link)
                return


@solves("click-color")
def click_color(goal: str, page: PageView) -> Steps:
    name = re.search(r"the (\w+) colored", goal)
    assert name
    yield click(next(e for e in page.all("#area .color") if _named(e.colour) == name[1]))


COLOURS = {
    "red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "cyan": (0, 255, 255), "yellow": (255, 255, 0),
    "magenta": (255, 0, 255), "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128),
    "orange": (255, 165, 0), "pink": (255, 192, 203), "purple": (128, 0, 128), "olive": (128, 128, 0),
}  # fmt: skip


def _named(colour: str) -> str:
    """The nearest name of an rgb(...)."""
    rgb = [int(v) for v in re.findall(r"\d+", colour)[:3]]
    return min(COLOURS, key=lambda n: sum((a - b) ** 2 for a, b in zip(COLOURS[n], rgb, strict=True)))


@solves("click-widget")
def click_widget(goal: str, page: PageView) -> Steps:
    kind = quoted(goal)[0]
    css = {
        "text": "input:not([type=radio]):not([type=checkbox])",
        "radio": "input[type=radio]",
        "checkbox": "input[type=checkbox]",
    }
    yield click(page.one(f"#area {css.get(kind, kind)}"))


@solves("focus-text", "focus-text-2")
def focus_text(goal: str, page: PageView) -> Steps:
    yield click(page.all("#area input")[ordinal(goal)])


@solves("navigate-tree")
def navigate_tree(goal: str, page: PageView) -> Steps:
    name = quoted(goal)[0]
    opened: set[str] = set()
    for _ in range(30):
        names = [e for e in page.all("#tree span") if e.w > 0 and e.h > 0]
        if found := next((e for e in names if e.text == name), None):
            yield click(found)
            return
        folder = next(e for e in names if e.cls == "folder" and e.bid not in opened)
        opened.add(folder.bid)
        yield click(folder)


@solves("email-inbox-delete")
def email_inbox_delete(goal: str, page: PageView) -> Steps:
    sender = re.search(r"email by (\w+)", goal)
    assert sender
    place = [e.text for e in page.all(".email-thread .email-sender")].index(sender[1])
    yield click(page.all(".email-thread .trash")[place])

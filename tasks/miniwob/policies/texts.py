"""Scripts that read the page and copy what they read."""

from __future__ import annotations

import re

from harness.tasks.miniwob.actions import Action
from harness.tasks.miniwob.policies.page import PageView
from harness.tasks.miniwob.policies.policy import Steps, click, fill, ordinal, solves


@solves("copy-paste")
def copy_paste(goal: str, page: PageView) -> Steps:
    yield fill(page.one("#answer-input"), page.one("#to-copy").value)
    yield click(page.one("#subbtn"))


@solves("copy-paste-2")
def copy_paste_2(goal: str, page: PageView) -> Steps:
    yield fill(page.one("#answer-input"), page.one(f"#text-{ordinal(goal) + 1}").value)
    yield click(page.one("#subbtn"))


@solves("text-transform")
def text_transform(goal: str, page: PageView) -> Steps:
    yield fill(page.one("#tt"), "".join(e.text for e in page.all("#captcha span")))
    yield click(page.one("#subbtn"))


@solves("find-word")
def find_word(goal: str, page: PageView) -> Steps:
    words = re.findall(r"[\w']+", page.one("#area p").text)
    yield fill(page.one("#answer-input"), words[ordinal(goal)])
    yield click(page.one("#subbtn"))


def _table(page: PageView) -> dict[str, str]:
    cells = [e.text for e in page.all("#tab td")]
    return dict(zip(cells[::2], cells[1::2], strict=True))


@solves("read-table")
def read_table(goal: str, page: PageView) -> Steps:
    name = re.search(r"value of (.*) into the text field", goal)
    assert name
    yield fill(page.one("#tt"), _table(page)[name[1]])
    yield click(page.one("#subbtn"))


@solves("read-table-2")
def read_table_2(goal: str, page: PageView) -> Steps:
    table = _table(page)
    for label, box in zip(page.all("#form label"), page.all("#form input"), strict=True):
        yield fill(box, table[label.text.rstrip(":")])
    yield click(page.one("#subbtn"))


@solves("scroll-text")
def scroll_text(goal: str, page: PageView) -> Steps:
    word = re.findall(r"[\w']+", page.one("#text-area").value)[-1]
    yield fill(next(e for e in page.all("#area input") if e.w > 0), word)
    yield click(page.one("#subbtn"))


@solves("scroll-text-2")
def scroll_text_2(goal: str, page: PageView) -> Steps:
    yield click(page.one("#text-area"))
    yield Action("keyboard_press", ("Control+End" if "bottom" in goal else "Control+Home",))
    yield click(page.one("#subbtn"))

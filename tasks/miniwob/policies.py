"""Scripted experts (`model=oracle`): for each task a script that reads the live page and acts like anybody else.

They see the live page, not the reward; each yields actions of the grammar one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.tasks.miniwob.actions import Action

READ = """(css) => { harness.mark(); return [...document.querySelectorAll(css)].map((e) => {
  const b = e.getBoundingClientRect(), s = getComputedStyle(e);
  const spots = [[.5, .5], [.1, .2], [.9, .2], [.1, .8], [.9, .8], [.5, .1], [.5, .9]];
  const seen = spots.map(([p, q]) => [b.x + p * b.width, b.y + q * b.height])
                    .find(([x, y]) => document.elementFromPoint(x, y) === e) ?? [b.x + b.width / 2, b.y + b.height / 2];
  return {bid: e.getAttribute("bid"), text: (e.innerText ?? e.textContent ?? "").trim(), value: String(e.value ?? ""),
          checked: !!e.checked, tag: e.tagName.toLowerCase(), id: e.id, cls: e.getAttribute("class") ?? "",
          fill: e.getAttribute("fill") ?? "", colour: s.backgroundColor, type: e.type ?? "",
          x: seen[0], y: seen[1], w: b.width, h: b.height, cx: b.x + b.width / 2, cy: b.y + b.height / 2};
}); }"""
Steps = Iterator[Action]


@dataclass(frozen=True)
class Element:
    """`x`, `y` is a point where it is seen, `cx`, `cy` its middle, in pixels of the page."""

    bid: str
    text: str
    value: str
    checked: bool
    tag: str
    id: str
    cls: str
    fill: str
    colour: str
    type: str
    x: float
    y: float
    w: float
    h: float
    cx: float
    cy: float


class PageView:
    """What a script may ask of the page."""

    def __init__(self, evaluate: Callable[..., Any]):
        self._evaluate = evaluate

    def all(self, css: str) -> list[Element]:
        return [Element(**e) for e in self._evaluate(READ, css)]

    def one(self, css: str, text: str | None = None) -> Element:
        """The first element that is seen and has this text."""
        for e in self.all(css):
            if e.w > 0 and (text is None or e.text == text):
                return e
        raise LookupError(f"no {css} {text or ''}")


Policy = Callable[[str, PageView], Steps]
POLICIES: dict[str, Policy] = {}


def solves(*names: str) -> Callable[[Policy], Policy]:
    def add(policy: Policy) -> Policy:
        POLICIES.update(dict.fromkeys(names, policy))
        return policy

    return add


def click(e: Element) -> Action:
    return Action("click", (e.bid,))


def at(e: Element) -> Action:
    return Action("mouse_click", (round(e.x, 1), round(e.y, 1)))


def fill(e: Element, text: str) -> Action:
    return Action("fill", (e.bid, text))


def quoted(goal: str) -> list[str]:
    return re.findall(r'"([^"]*)"', goal)


def ordinal(goal: str) -> int:
    """0 for "1st"."""
    found = re.search(r"(\d+)(?:st|nd|rd|th)", goal)
    return int(found[1]) - 1 if found else 0


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


@solves("focus-text", "focus-text-2")
def focus_text(goal: str, page: PageView) -> Steps:
    yield click(page.all("#area input")[ordinal(goal)])


@solves("login-user")
def login_user(goal: str, page: PageView) -> Steps:
    name, password = quoted(goal)
    yield fill(page.one("#username"), name)
    yield fill(page.one("#password"), password)
    yield click(page.one("#subbtn"))


@solves("simple-arithmetic")
def simple_arithmetic(goal: str, page: PageView) -> Steps:
    problem = re.search(r"(-?\d+) *([-+x*]) *(-?\d+)", page.one("#math-problem").text)
    assert problem
    a, b = int(problem[1]), int(problem[3])
    yield fill(page.one("#math-answer"), str({"+": a + b, "-": a - b}.get(problem[2], a * b)))
    yield click(page.one("#subbtn"))


@solves("simple-algebra")
def simple_algebra(goal: str, page: PageView) -> Steps:
    problem = re.search(r"(x|-?\d+) *([-+]) *(x|-?\d+) *= *(-?\d+)", page.one("#math-problem").text)
    assert problem
    left, sign, right, total = problem[1], 1 if problem[2] == "+" else -1, problem[3], int(problem[4])
    x = total - sign * int(right) if left == "x" else (total - int(left)) * sign
    yield fill(page.one("#math-answer"), str(x))
    yield click(page.one("#subbtn"))


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


@solves("odd-or-even")
def odd_or_even(goal: str, page: PageView) -> Steps:
    rows = page.all("#numbers .display-number")
    for i, row in enumerate(rows):
        yield click(page.all(f"#numbers button.{'odd' if int(row.text) % 2 else 'even'}")[i])
    yield click(page.one("#area #submit, #area #subbtn"))


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


@solves("ascending-numbers")
def ascending_numbers(goal: str, page: PageView) -> Steps:
    """Numbers vanish after the first click: their places are kept in mind."""
    for number in sorted(page.all("#area_svg text"), key=lambda e: int(e.text)):
        yield at(number)


@solves("generate-number")
def generate_number(goal: str, page: PageView) -> Steps:
    """Clicks until the number is as wanted."""
    rule = re.search(r"(less than|greater than|odd|even)(?: (\d+))?", goal)
    assert rule
    limit = int(rule[2] or 0)
    tests: dict[str, Callable[[int], bool]] = {
        "less than": lambda n: n < limit,
        "greater than": lambda n: n > limit,
        "odd": lambda n: n % 2 == 1,
        "even": lambda n: n % 2 == 0,
    }
    for _ in range(40):
        yield click(page.one("#generate"))
        shown = page.one("#display-number").text
        if shown.isdigit() and tests[rule[1]](int(shown)):
            break
    yield click(page.one("#submit"))


@solves("visual-addition")
def visual_addition(goal: str, page: PageView) -> Steps:
    yield fill(page.one("#math-answer"), str(len(page.all("#math-problem .addition-block"))))
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


@solves("email-inbox-delete")
def email_inbox_delete(goal: str, page: PageView) -> Steps:
    sender = re.search(r"email by (\w+)", goal)
    assert sender
    place = [e.text for e in page.all(".email-thread .email-sender")].index(sender[1])
    yield click(page.all(".email-thread .trash")[place])


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


@solves("guess-number")
def guess_number(goal: str, page: PageView) -> Steps:
    low, high = 0, 9
    while low <= high:
        guess = (low + high) // 2
        yield fill(page.one("#tt"), str(guess))
        yield click(page.one("#subbtn"))
        said = " ".join(e.text for e in page.all("#feedback > *") if e.w > 0 and e.h > 0).lower()
        low, high = (guess + 1, high) if "higher" in said else (low, guess - 1)


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

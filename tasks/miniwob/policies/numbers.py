"""Scripts that count and calculate."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.tasks.miniwob.policies.page import PageView
from harness.tasks.miniwob.policies.policy import Steps, at, click, fill, solves


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


@solves("odd-or-even")
def odd_or_even(goal: str, page: PageView) -> Steps:
    rows = page.all("#numbers .display-number")
    for i, row in enumerate(rows):
        yield click(page.all(f"#numbers button.{'odd' if int(row.text) % 2 else 'even'}")[i])
    yield click(page.one("#area #submit, #area #subbtn"))


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


@solves("guess-number")
def guess_number(goal: str, page: PageView) -> Steps:
    low, high = 0, 9
    while low <= high:
        guess = (low + high) // 2
        yield fill(page.one("#tt"), str(guess))
        yield click(page.one("#subbtn"))
        said = " ".join(e.text for e in page.all("#feedback > *") if e.w > 0 and e.h > 0).lower()
        low, high = (guess + 1, high) if "higher" in said else (low, guess - 1)

"""What a script is, and the words that all of them are written in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from harness.tasks.miniwob.actions import Action
from harness.tasks.miniwob.policies.page import Element, PageView

Steps = Iterator[Action]
Policy = Callable[[str, PageView], Steps]
"""The goal and the page -> what to do."""
POLICIES: dict[str, Policy] = {}


def solves(*names: str) -> Callable[[Policy], Policy]:
    """Registers a script for these tasks."""

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

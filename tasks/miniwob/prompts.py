"""What a model is told at each step: the task, the history in words, the newest observation, the actions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core import Message, Picture, user
from harness.tasks.miniwob.actions import HEIGHT, WIDTH
from harness.tasks.miniwob.environment import State

ACTIONS = f"""Answer with one action and nothing else:
mouse_click(x, y), mouse_dblclick(x, y), mouse_move(x, y), mouse_down(x, y), mouse_up(x, y),
mouse_drag_and_drop(x1, y1, x2, y2), scroll(dx, dy), keyboard_type("text"), keyboard_press("Enter"), noop(){{bids}}
x goes from 0 to {WIDTH}, y from 0 (top) to {HEIGHT}."""
HISTORY, TREE, PAGE = "Done so far:", "Accessibility tree:", "Page:"
"""The lines above what has been done, and above the observations."""
BIDS = """,
click("bid"), dblclick("bid"), hover("bid"), focus("bid"), clear("bid"), fill("bid", "text"), press("bid", "key"),
select_option("bid", "option"), drag_and_drop("bid", "bid")"""


def messages(
    state: State, history: Sequence[str], observe: Sequence[str], earlier: Sequence[Picture] = ()
) -> tuple[Message, ...]:
    """One user turn: the screenshot first, so that single-image models can be asked, the past as text. `earlier`:
    screenshots of past steps, oldest first, before it."""
    parts: list[str | Picture] = [*earlier, Picture(state.screenshot)] if "screenshot" in observe else []
    lines = [f"Task: {state.utterance}"]
    if "dom" in observe:
        lines.append(f"{PAGE}\n{state.dom}")
    if "axtree" in observe:
        lines.append(f"{TREE}\n{state.axtree}")
    if history:
        lines.append(f"{HISTORY}\n" + "\n".join(history))
    marked = "dom" in observe or "axtree" in observe
    lines.append(ACTIONS.replace("{bids}", BIDS if marked else ""))
    return user(*parts, "\n".join(lines))


@dataclass(frozen=True)
class Told:
    """What a request of an episode says, in words: the task, the accessibility tree, and what has been done."""

    task: str
    tree: str
    done: tuple[str, ...]


def read(text: str) -> Told | None:
    """The parts of a prompt that `messages` wrote with an accessibility tree; None where it is another prompt."""
    found = PROMPT.fullmatch(text)
    return Told(found["task"], found["tree"], tuple((found["done"] or "").splitlines())) if found else None


PROMPT = re.compile(
    rf"Task: (?P<task>.*?)\n(?:{PAGE}\n.*?\n)?{TREE}\n(?P<tree>.*?)\n(?:{HISTORY}\n(?P<done>.*?)\n)?"
    rf"{re.escape(ACTIONS.split(chr(10), 1)[0])}\n.*",
    re.DOTALL,
)

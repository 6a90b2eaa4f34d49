"""What a model is told at each step: the task, the history in words, the newest observation, the actions."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core import Message, Picture, user
from harness.tasks.miniwob.actions import HEIGHT, WIDTH
from harness.tasks.miniwob.environment import State

ACTIONS = f"""Answer with one action and nothing else:
mouse_click(x, y), mouse_dblclick(x, y), mouse_move(x, y), mouse_down(x, y), mouse_up(x, y),
mouse_drag_and_drop(x1, y1, x2, y2), scroll(dx, dy), keyboard_type("text"), keyboard_press("Enter"), noop(){{bids}}
x goes from 0 to {WIDTH}, y from 0 (top) to {HEIGHT}."""
BIDS = """,
click("bid"), dblclick("bid"), hover("bid"), focus("bid"), clear("bid"), fill("bid", "text"), press("bid", "key"),
select_option("bid", "option"), drag_and_drop("bid", "bid")"""


def messages(state: State, history: Sequence[str], observe: Sequence[str]) -> tuple[Message, ...]:
    """One user turn: the screenshot first, so that single-image models can be asked, the past as text."""
    parts: list[str | Picture] = [Picture(state.screenshot)] if "screenshot" in observe else []
    lines = [f"Task: {state.utterance}"]
    if "dom" in observe:
        lines.append(f"Page:\n{state.dom}")
    if "axtree" in observe:
        lines.append(f"Accessibility tree:\n{state.axtree}")
    if history:
        lines.append("Done so far:\n" + "\n".join(history))
    marked = "dom" in observe or "axtree" in observe
    lines.append(ACTIONS.replace("{bids}", BIDS if marked else ""))
    return user(*parts, "\n".join(lines))

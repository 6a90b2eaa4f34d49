"""IPII: prompts that inject more information level by level. Names are the paper's, contents our own."""

from __future__ import annotations

from harness.tasks.vic_bench.worlds import World
from harness.tasks.vic_bench.worlds.base import Item

LEVELS = (0, 1, 2, 3, 4)
FORMAT = {
    2: "Think step by step. Write every step as a line of its own that begins with ACTION:, and end with a line "
    "FINAL:.",
    3: "Take one step at a time. End each turn with one line: ACTION: and the step, or FINAL: and the answer.",
}
LOOK = "Before the next step, check the newest picture."


def opening(world: World, item: Item, stage: int, level: int) -> str:
    """Level 0 gives the task; 1 adds format and actions, 2 the rules, 3 an example, 4 to look at the newest picture."""
    lines = [world.task]
    if goal := world.goal(item):
        lines.append(goal)
    if level >= 1:
        lines += [FORMAT[stage], f"Actions: {world.actions}"]
    if level >= 2:
        lines.append(world.rules)
    if level >= 3:
        lines.append(world.example)
    if level >= 4 and stage == 3:
        lines.append(LOOK)
    return "\n".join(lines)

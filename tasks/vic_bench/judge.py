"""What an answer did: its lines read, its steps played in the world, and the verdict. Pure; formulas are our own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.tasks.vic_bench.worlds import Illegal, World
from harness.tasks.vic_bench.worlds.base import Item, State

LINE = re.compile(r"^[\s*>`-]*(ACTION|FINAL)\s*:\s*\**\s*(.*?)[\s*`]*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Turn:
    """Lines of one answer: actions in order, and the final answer, if any."""

    actions: tuple[str, ...]
    final: str | None


def read(text: str) -> Turn:
    """ACTION: lines before the first FINAL: line."""
    actions: list[str] = []
    for kind, value in LINE.findall(text):
        if kind.upper() == "FINAL":
            return Turn(tuple(actions), value.strip())
        actions.append(value.strip())
    return Turn(tuple(actions), None)


@dataclass
class Play:
    """A course of events in one world."""

    world: World
    item: Item
    states: list[State] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    """(action, why it was illegal or "")."""
    format_errors: int = 0
    final: str | None = None

    def __post_init__(self) -> None:
        self.states = self.states or [self.world.start(self.item)]

    @property
    def state(self) -> State:
        return self.states[-1]

    def step(self, action: str) -> str:
        """Play an action; "" or why it is illegal, which leaves the state as it was."""
        try:
            self.states.append(self.world.step(self.item, self.state, action))
            why = ""
        except Illegal as e:
            why = str(e)
        self.steps.append((action, why))
        return why

    @property
    def stuck(self) -> bool:
        """Three illegal steps in a row."""
        return len(self.steps) >= 3 and all(why for _, why in self.steps[-3:])

    @property
    def over(self) -> bool:
        return self.final is not None or self.stuck or self.world.over(self.item, self.state)

    def scores(self) -> dict[str, float]:
        """correct, recall, and the parts of legality: legal steps, steps, whether all were legal."""
        legal = sum(not why for _, why in self.steps)
        return {
            "correct": float(self.world.solved(self.item, self.state, self.final)),
            "recall": self.world.recall(self.item, self.states),
            "legal": float(legal),
            "steps": float(len(self.steps)),
            "all_legal": float(bool(self.steps) and legal == len(self.steps)),
            "format_errors": float(self.format_errors),
        }


def replayed(world: World, item: Item, actions: Sequence[str], final: str | None) -> Play:
    """Stage 2: all steps of one answer, until one of them ends it."""
    play = Play(world, item)
    for action in actions:
        if play.over:
            break
        play.step(action)
    play.final = final
    return play

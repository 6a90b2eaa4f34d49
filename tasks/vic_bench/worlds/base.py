"""What every world offers. An item is plain JSON; a state is a value that is never changed in place."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from PIL import Image

Item = dict[str, Any]
State = Any
INK = (30, 30, 30)


class Illegal(ValueError):
    """A step that the world does not allow; the message gives the reason."""


class World(ABC):
    """`task`, `actions`, `rules` and `example` are the texts of the prompt's levels."""

    name: str
    task: str
    actions: str
    rules: str
    example: str

    @abstractmethod
    def make(self, rng: random.Random) -> Item:
        """A new item, solvable, with its key and the options of stage 1."""

    @abstractmethod
    def start(self, item: Item) -> State: ...

    @abstractmethod
    def step(self, item: Item, state: State, action: str) -> State:
        """The state after an action. Raises Illegal, which leaves the state as it was."""

    @abstractmethod
    def render(self, item: Item, state: State) -> Image.Image: ...

    @abstractmethod
    def solved(self, item: Item, state: State, final: str | None) -> bool:
        """Whether this end is a success; `final` is the answer's text, None where none was given."""

    @abstractmethod
    def recall(self, item: Item, states: Sequence[State]) -> float:
        """Share of what had to be done that these states, from the start to the end, have done right."""

    @abstractmethod
    def plan(self, item: Item) -> tuple[list[str], str]:
        """A reference: actions, and the final answer."""

    @abstractmethod
    def legal(self, item: Item, state: State) -> list[str]:
        """Some legal actions, for the agent that acts at random."""

    @abstractmethod
    def told(self, item: Item, state: State) -> str:
        """The state in words, for feedback without pictures."""

    def goal(self, item: Item) -> str:
        """What is particular to this item; empty where the picture shows it all."""
        return ""

    def over(self, item: Item, state: State) -> bool:
        """Whether the goal is visibly reached, so that no final answer is needed."""
        return False

    def question(self, item: Item) -> str:
        """The question of stage 1; the options follow."""
        return self.task

    def options_picture(self, item: Item) -> Image.Image | None:
        """The options where they are pictures."""
        return None

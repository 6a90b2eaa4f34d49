"""What a method calibrates itself on: annotated pictures, and the model that it will steer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.core.types import Picture, Request, user
from harness.steering.inputs import Inputs
from harness.steering.view import View


@dataclass(frozen=True)
class Annotated:
    """A picture and the categories that it shows."""

    picture: Picture
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Bench:
    """Handed to `Steering.calibrate`. The pictures are disjoint from those of every evaluation split."""

    view: View
    pictures: Sequence[Annotated]
    encode: Callable[[Request], Inputs]

    def ask(self, picture: Picture, text: str) -> Inputs:
        """The prompt of one question about one picture, as the model gets it in an evaluation."""
        return self.encode(Request(user(picture, text), 1))

    @property
    def yes(self) -> tuple[int, ...]:
        """Tokens that begin the answer "Yes", in either case, with and without a blank before it."""
        return self.view.begins("yes")

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Every category that some picture shows, sorted."""
        return tuple(sorted({name for p in self.pictures for name in p.objects}))

"""What a method calibrates itself on: annotated pictures or questions, and the model that it will steer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.core.errors import UsageError
from harness.core.picture import Picture
from harness.core.trials import Trials
from harness.core.types import Request, user
from harness.steering.inputs import Inputs
from harness.steering.view import View

PRESENT = "Is there {} {} in the image? Please answer this question with one word (Yes or No)."


def article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


@dataclass(frozen=True)
class Annotated:
    """A picture and the categories that it shows."""

    picture: Picture
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A question with its answer, one of the `answers` that are possible. `picture` is None for text alone."""

    text: str
    answer: str
    answers: tuple[str, ...]
    picture: Picture | None = None

    def asked(self, before: str = "") -> Request:
        """The request that asks it, with words before it."""
        text = f"{before}{self.text}"
        return Request(user(text) if self.picture is None else user(self.picture, text), 1)


@dataclass(frozen=True)
class Bench:
    """Handed to `Steering.calibrate`. The pictures are disjoint from those of every evaluation split."""

    view: View
    pictures: Sequence[Annotated]
    encode: Callable[[Request], Inputs]
    texts: Sequence[tuple[str, str]] = ()
    """(prompt, answer) where the method calibrates itself on questions of the user's."""
    trials: Trials = field(default_factory=Trials)
    """Measures what takes long step by step, so that it resumes and tells its progress."""

    def ask(self, picture: Picture, text: str) -> Inputs:
        """The prompt of one question about one picture, as the model gets it in an evaluation."""
        return self.encode(Request(user(picture, text), 1))

    @cached_property
    def questions(self) -> list[Question]:
        """The user's questions; else two of each picture, about an object that is there and one that is not, in turn.

        Raises UsageError where there is nothing to ask about.
        """
        if self.texts:
            answers = tuple(sorted({answer for _, answer in self.texts}))
            return [Question(prompt, answer, answers) for prompt, answer in self.texts]
        found = []
        for i, p in enumerate(self.pictures):
            absent = [c for c in self.categories if c not in p.objects]
            for names, answer in ((p.objects, "Yes"), (absent, "No")):
                if names:
                    name = names[i % len(names)]
                    text = PRESENT.format(article(name), name)
                    found.append(Question(text, answer, ("Yes", "No"), p.picture))
        if not found:
            raise UsageError(
                "there is nothing to calibrate on: give calibration=FILE with annotated pictures or questions"
            )
        return found

    @property
    def yes(self) -> tuple[int, ...]:
        """Tokens that begin the answer "Yes", in either case, with and without a blank before it."""
        return self.view.begins("yes")

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Every category that some picture shows, sorted."""
        return tuple(sorted({name for p in self.pictures for name in p.objects}))

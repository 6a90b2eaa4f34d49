"""A model is a backend that answers batches of requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.decoding import Decoding
from harness.core.dress import Dress
from harness.core.errors import UsageError
from harness.core.method import Method
from harness.core.picture import Picture
from harness.core.trials import Trials
from harness.core.types import Reply, Request, Sample

if TYPE_CHECKING:
    from harness.core.task import Task


@dataclass(frozen=True)
class Call:
    """A request with the sample that asked it first, and the seed of its random numbers."""

    request: Request
    sample: Sample
    seed: int
    again: bool = False
    """Whether it continues from an answer: such calls come one by one, as the answers before them do."""


@dataclass(frozen=True)
class Sent:
    """What a model gets for a call, for people to read.

    `name` tells a method's further prompts from the first one, whose name is "". `text` shows special tokens, runs of
    visual ones as their number. Where the model itself counts: `tokens`, the `visual` ones among them, their `ids`, and
    the shape of the preprocessed `pixels`.
    """

    name: str
    text: str
    tokens: int | None = None
    visual: int = 0
    ids: Sequence[int] = ()
    pixels: Sequence[int] = ()


class Model(ABC):
    """Subclasses answer batches; the scheduler decides when, the model decides what fits together."""

    name: str = ""
    reads_samples = False
    """True where the answer depends on the sample and not only on the request (replay, chance, oracle)."""
    answers_from_key = False
    """True where the task itself gives the answers (chance, oracle): then other code of it gives other answers."""
    reads_pictures = True
    reads_series = False
    """Whether it answers requests that carry a series of symbols or vectors (`Request.series`)."""
    modules: tuple[str, ...] = ()
    """Modules that it runs and finds by a setting, not by an import: their code belongs to a run's identity."""
    captures = False
    """Whether replies can carry attention (`Request.capture`)."""
    reasoning = "strip"
    """What becomes of the thinking in an answer (`model.reasoning`): strip (taken off before it is scored) or keep."""
    say: Callable[[str], None] = staticmethod(lambda _: None)
    """Tells the user of the run something, in one line."""
    packages: tuple[str, ...] = ()
    """Installed packages that compute the answers: their versions, as major.minor, belong to a run's identity."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hex digest of everything in the model that can change an answer. Must not load weights."""

    @abstractmethod
    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        """One reply per call, in order. A torch or CUDA out-of-memory error passes through as MemoryError."""

    def answers(
        self,
        calls: Sequence[Call],
        decoding: Decoding,
        rows: int | None,
        further: Callable[[], Sequence[Call]] = tuple,
    ) -> Iterator[tuple[Sequence[Call], list[Reply]]]:
        """The replies to a planned batch, part by part as they come; at most `rows` calls are computed at once.

        `further`: more calls, if there are any by now, for a model with room for them: what follows from the replies so
        far, or else the next batch. Whoever takes them answers them, too.
        """
        size = rows or max(1, len(calls))
        for start in range(0, len(calls), size):
            some = calls[start : start + size]
            yield some, self.answer(some, decoding)

    def sent(self, call: Call, decoding: Decoding) -> list[Sent]:
        """What it would get for a call; a method's further prompts after it. Called after `load`."""
        raise UsageError(f"model={self.name} cannot show its prompts: choose another model")

    def load(self, methods: Sequence[Method]) -> None:
        """Get ready (weights, devices) to answer under these steering methods. Called once before `answer`."""
        if methods:
            names = ", ".join(m.name for m in methods)
            raise UsageError(f"method={names} edits the inside of a model: model={self.name} has none to edit")

    def calibrate(
        self,
        method: Method,
        pictures: Sequence[tuple[Picture, tuple[str, ...]]],
        questions: Sequence[tuple[str, str]] = (),
        trials: Trials | None = None,
    ) -> dict[str, Any]:
        """The tensors that a method needs before it can steer this model, from (picture, names of its objects), or from
        (prompt, answer). `trials`: where what takes long is kept as it comes."""
        raise UsageError(
            f"method={method.name} calibrates itself on a Hugging Face model; model={self.name} is not one"
        )

    def accept(self, decoding: Decoding) -> None:
        """Raises UsageError where it cannot decode like this. Loads nothing."""
        if decoding.strategy == "choices":
            raise UsageError(f"model={self.name} cannot decide in one pass: leave decoding=choices out")
        if decoding.extra:
            raise UsageError(f"model={self.name} generates nothing that decoding.extra could change: leave it out")

    def admit(self, dress: Dress) -> None:
        """Raises UsageError where its prompts cannot hold a system message, or examples with their pictures. Called
        once after `load`, where there is any of them."""

    def bind(self, task: Task) -> None:
        """Learn which task is asked. For models that answer from the task's own records."""

    def prepare(self, call: Call) -> None:
        """Read a call's pictures ahead of its batch, so that a corrupt one costs its own samples alone. Raises
        Unusable."""
        if self.reads_pictures:
            for picture in call.request.pictures:
                picture.check()

    def plan(self, calls: Sequence[Call], rows: int | None) -> Iterator[list[Call]]:
        """Batches in a fixed order, of at most `rows` calls (None: the model's own choice) where `answers` computes a
        whole batch at once."""
        size = rows or 256
        for start in range(0, len(calls), size):
            yield list(calls[start : start + size])

    def close(self) -> None:
        """Give back what `load` took from others (connections). Called once at the end, whatever happened."""
        return

    def work(self) -> dict[str, int]:
        """What was computed since `load`: `passes` (rows times decoder calls), `positions` (tokens in them)."""
        return {}

    def remarks(self) -> list[str]:
        """Lines for the terminal, said once before a run plays."""
        return []

    def describe(self) -> dict[str, Any]:
        """Facts for the run's record: parameters, dtype, device."""
        return {}

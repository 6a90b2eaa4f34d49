"""What every executor does, and the choice of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from harness.core.types import Result, Sample
from harness.engine.plan import Plan
from harness.engine.prepare import Prepared
from harness.engine.schedule import WINDOW, Counts

EXECUTORS = {"local": "harness.engine.executors.local.Local", "ray": "harness.engine.executors.ray.Sharded"}
"""`name` of the executor's YAML -> its class. Ray's is imported only where it is chosen."""


@dataclass(frozen=True)
class Order:
    """What is to be played, and whom to tell."""

    plan: Plan
    rows: int | None
    """Rows of a batch; None lets the model decide."""
    report: Callable[[list[Result]], None]
    """Called with finished samples, in the process that evaluates."""
    stop: Callable[[], bool]
    say: Callable[[str], None]
    window: int = WINDOW
    """Samples between two looks at `enough`."""
    enough: Callable[[], bool] = lambda: False
    """Whether the results so far decide the run."""
    hopeless: Callable[[], bool] = lambda: False
    """Whether every sample so far failed alike."""


class Executor(Protocol):
    """Plays samples somewhere. Made with an `Order`; raises UsageError for settings that do not go together."""

    counts: Counts

    def start(self) -> Prepared:
        """Load the model and precompute what methods need."""
        ...

    def run(self, samples: Sequence[Sample], finished: Container[str] = frozenset()) -> None:
        """Play all samples whose ids are not in `finished`. Raises Interrupted when asked to stop."""
        ...

    def work(self) -> Counter[str]:
        """What the models counted since `start`: passes, positions, tokens."""
        ...

    def peak(self) -> int | None:
        """The largest memory of one process, in bytes; None where that is unknown."""
        ...

    def close(self) -> None:
        """Give back what it started. The plan's own task and model stay with the caller."""
        ...


def executor(order: Order) -> Executor:
    """The one that the run's configuration names."""
    module, _, name = EXECUTORS[order.plan.config["executor"]["name"]].rpartition(".")
    return getattr(import_module(module), name)(order)

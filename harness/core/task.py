"""A task is a benchmark: samples, how one is played (an episode), how answers are scored and aggregated."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.core.decoding import Decoding
from harness.core.drawing import Mark
from harness.core.errors import HarnessError, UsageError
from harness.core.pair import Pair
from harness.core.score import Score, sound
from harness.core.types import Metric, Outcome, Reply, Request, Result, Sample

if TYPE_CHECKING:
    from harness.core.series import Course

DECLARED = "_declared_"
"""The key of a composed task that holds what its YAML declares."""


class Task(ABC):
    """`__init__` takes exactly the values in the task's YAML. Scoring does no I/O, so rescoring a run is free."""

    name: str = ""
    version: str = "1"
    """`version` of the task's YAML. Bumped when a change moves scores."""
    primary: str = ""
    """`primary` of the task's YAML: the name of the primary metric. Empty where a setting chooses it."""
    cluster: str = ""
    """`cluster` of the task's YAML: what the samples of one cluster share ("image"), as tables name it."""
    scores: Sequence[Score] = ()
    """What the numbers in `Outcome.scores` mean. Without a declaration the metrics decide (see `judged`)."""
    decoding = Decoding()
    """The task's own decoding, used by `decoding=task`."""
    live: int | None = None
    """Most episodes alive at once, where each holds something scarce (a browser's page); None for no limit."""
    groups: Sequence[str] = ()
    """Every name that `Sample.group` can have, whichever the settings choose: by it `model=replay` sees that an answer
    is of another split."""
    waits = False
    """Whether episodes wait on something between requests (a browser): then they are stepped in threads."""
    repeatable = True
    """Whether an episode that gets the same replies asks the same again, so that stored replies can be rescored.
    False where it acts on something outside (a browser)."""

    noisy = False
    """Whether targets hold noise, so that even the best answers are wrong: then `oracle` gives the best prediction."""
    series = False
    """Whether its requests carry a series (`Request.series`), which models of the zoo read and no other model does."""
    places: Sequence[str] = ()
    """Two keys of `Outcome.details`: the sides of a map that pages of samples show (length and depth)."""

    pure = True
    """Whether `aggregate` needs nothing but results. False where it loads another tool's task: comparisons of runs then
    leave its metrics out."""

    @abstractmethod
    def samples(self) -> Iterable[Sample]:
        """Every record, in a fixed order, with unique ids. A record that cannot be read yields a sample whose
        `data` holds the fault and whose episode raises Unusable, so that it costs one error row."""

    @abstractmethod
    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        """Play one sample: yield requests, receive replies, return the outcome."""

    @abstractmethod
    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        """Metrics over finished results; error rows are missing, not wrong. Exactly one metric is primary."""

    def metrics(self, results: Sequence[Result]) -> list[Metric]:
        """What a run stores: `aggregate`, its primary metric bound to the primary score.

        Raises:
            HarnessError: `aggregate` returns something else, marks two metrics as primary, or contradicts the YAML or
                `scores`.
        """
        found = self._aggregated(results)
        known = {s.name: s for s in self.scores}
        primary = next((s.name for s in self.scores if s.primary), "")
        marked = [m.name for m in found if m.primary]
        if len(marked) > 1:
            raise HarnessError(f"task={self.name} marks {len(marked)} metrics as primary: mark one")
        if marked and self.primary not in ("", *marked):
            raise HarnessError(
                f"task={self.name}: its YAML has primary: {self.primary}, but `aggregate` marks {marked[0]}"
            )
        out = [replace(m, score=m.score or primary) if m.primary else m for m in found]
        for m in out:
            score = known.get(m.score or m.name)
            if score and m.higher_is_better != score.higher_is_better:
                raise HarnessError(f"task={self.name}: {m.name} has another direction than its score {score.name}")
            if m.primary and primary not in ("", m.score):
                raise HarnessError(f"task={self.name}: {m.name} is primary, but made of {m.score}, not of {primary}")
        return out

    def _aggregated(self, results: Sequence[Result]) -> list[Metric]:
        """What `aggregate` returns, with plain numbers. Raises HarnessError for anything but metrics."""
        made: Any = self.aggregate(results)
        found: list[Any] = list(made) if isinstance(made, Iterable) else [made]
        for m in found:
            if not isinstance(m, Metric):
                raise HarnessError(f"task={self.name}: `aggregate` returned {m!r:.80} where a Metric should be")
        try:
            found = [sound(m) for m in found]
        except TypeError as e:
            raise HarnessError(f"task={self.name}: `aggregate` returned a metric that cannot be stored: {e}") from e
        for (name, group), n in Counter((m.name, m.group) for m in found).items():
            if n > 1:
                raise HarnessError(f"task={self.name}: `aggregate` returned {n} metrics {name} of group {group}")
        return found

    @abstractmethod
    def fingerprint(self) -> str:
        """Hex digest of the records and of every setting that can change a prompt or a score. The code that reads and
        scores them is hashed beside it (`harness.runs.identity`)."""

    def oracle(self, sample: Sample, request: Request) -> str:
        """The answer that scores full marks (`model=oracle`)."""
        raise UsageError(f"task={self.name} has no oracle: choose another model")

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """An answer drawn blindly from what the task allows (`model=chance`)."""
        raise UsageError(f"task={self.name} has no chance level: choose another model")

    def choices(self, sample: Sample) -> Sequence[str]:
        """The answers that `decoding=choices` decides among, as they are scored: letters or words, none twice. For
        tasks whose every sample asks once and is answered by one of them. Raises UsageError."""
        raise UsageError(f"task={self.name} states no choices to limit its answers to: leave decoding=choices out")

    def examples(self, each: int) -> Iterator[tuple[Request, str, str]]:
        """Training examples (request, answer that scores, kind) from items that no record uses, `each` of every set."""
        raise UsageError(f"task={self.name} makes no training examples: choose another task")

    def courses(self) -> Mapping[str, Course]:
        """What models of the zoo learn to play this task from, by the name that `Series.course` gives."""
        raise UsageError(f"task={self.name} trains no models: choose one of model=zoo's tasks, such as recall")

    def marks(self, sample: Sample, outcome: Outcome | None = None) -> Sequence[Mark]:
        """What pages of samples draw over the sample's pictures, and with an outcome also what its answer adds."""
        return ()

    def pair(self, sample: Sample) -> Pair | None:
        """A prompt that differs little from the sample's and has another answer, for probes that patch; None where the
        task makes none."""
        return None

    def close(self) -> None:
        """Give back what episodes held (a browser). Called once after the last episode, whatever happened."""
        return

    def describe(self) -> dict[str, Any]:
        """Facts for the run's record: data variant, revision, prompt, parser."""
        return {}

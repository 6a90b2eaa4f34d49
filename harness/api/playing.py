"""Runs composed of words and played: what `harness eval`, the gate and `harness.evaluate` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import INTERRUPTED, NO, HarnessError
from harness.core.types import Metric, Result, Sample
from harness.engine.listener import Listener
from harness.runs.record import RunRecord
from harness.runs.stored import StoredRun, named

if TYPE_CHECKING:
    from harness.config.compose import Asked
    from harness.loggers.console import Console
    from harness.plugins.registry import Registry


Announce = Callable[[list[str], "Registry"], None]
"""What is told the words in full before anything heavy is imported (`harness.config.compose.run`)."""


def each(words: Sequence[str] | Asked, job: Callable[[dict[str, Any]], int], announce: Announce | None = None) -> int:
    """`job` with the configuration that the words compose. Returns its exit code, and raises what it raises.

    Raises KeyboardInterrupt where the run was interrupted; the same words resume it.
    """
    from harness.config.compose import run

    faults: list[Exception] = []

    def guarded(config: dict[str, Any]) -> int:
        try:
            return job(config)
        except Exception as e:  # Hydra would print of it
            faults.append(e)
            return NO

    code = run(words, guarded, faults.append, announce)
    if faults:
        raise faults[0]
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code


def played(
    words: Sequence[str] | Asked,
    listener: Callable[[dict[str, Any]], Listener],
    announce: Announce | None = None,
) -> StoredRun:
    """The run of these words, played or from the store. `listener`: who watches it, by its configuration.

    Raises:
        HarnessError: it cannot start, or cannot continue. A run with error rows is returned.
    """
    from harness.engine.evaluate import evaluate

    ended: list[StoredRun | None] = []

    def job(config: dict[str, Any]) -> int:
        watching = _Ending(listener(config))
        code = evaluate(config, watching)
        ended.append(named(Path(config["results"]), watching.name))
        return code

    code = each(words, job, announce)
    if not ended or ended[0] is None:
        raise HarnessError(f"the run ended with {code} and left no record")
    return ended[0]


def logged(config: dict[str, Any], console: Console) -> Listener:
    """The console, with what else `logger=` lets watch the run. Raises Missing where that is not installed."""
    console.quiet = config["logger"]["name"] == "quiet"
    if config["logger"]["name"] != "wandb":
        return console
    from harness.loggers.weights_and_biases import WeightsAndBiases

    return WeightsAndBiases(console, config)


class _Ending:
    """Hands everything on, and keeps the name of the run that ended."""

    name = ""

    def __init__(self, listener: Listener):
        self._listener = listener

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: Sequence[Result]) -> None:
        self._listener.started(record, samples, finished)

    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None:
        self._listener.progress(results, score)

    def say(self, message: str) -> None:
        self._listener.say(message)

    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
        self.name = record.run
        self._listener.ended(record, metrics, from_store=from_store)

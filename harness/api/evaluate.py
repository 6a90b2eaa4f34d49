"""`harness.evaluate`: one run, as `harness eval` makes it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.run import Run
from harness.api.words import Choice, Choices, check, pairs
from harness.config import kinds
from harness.config.heading import heading, quiet
from harness.core.errors import UsageError
from harness.plugins import registry

if TYPE_CHECKING:
    from harness.engine.listener import Listener
    from harness.loggers.console import Console

_TURN = threading.Lock()
"""Held by the run that is being played: Hydra's state and torch's settings belong to the process."""
_PLAYER: list[int] = []
"""The thread that holds it."""


def evaluate(
    task: Choice,
    method: Choices = "vanilla",
    *,
    model: Choice | None = None,
    limit: int | None = None,
    ids: str | Iterable[str] | None = None,
    seed: int = 0,
    decoding: Choice | None = None,
    results: str | Path | None = None,
    plugins: str | Path | Sequence[str | Path] = (),
    **settings: Any,
) -> Run:
    """Run a method on a task, or return the finished run from the store; a run that was interrupted continues.

    The same as `harness eval`, by the same functions, with the same settings. Progress goes to stderr, in a notebook
    to the cell's output; `logger="quiet"` leaves it out. Several threads take turns.

    Args:
        task: A name, or `{name: {setting: value}}`: `"pope"`, `{"pope": {"data": "coco"}}`.
        method: The same, or several names, which are composed in this order: `["vista", "vcd"]`.
        model: The same; the task's default model otherwise.
        limit: At most this many samples: whole clusters, balanced over groups, drawn with `seed`.
        ids: These samples alone, for example `table["sample"]` of a table's rows, or "@FILE".
        seed: Of `limit`, sampling and noise.
        decoding: `"greedy"`, `"beam"`, `"nucleus"`, `"choices"`, or `{name: {setting: value}}`; the task's own
            otherwise.
        results: The folder of `runs/` and `harness.duckdb`; $HARNESS_RESULTS, or `results`, otherwise.
        plugins: Folders with tasks and methods of your own. Their files are imported again by each call, so that an
            edit counts.
        settings: Every other setting of `harness eval`, by its name: `batch_size=8`, `retry="errors"`, `lam=0.1` where
            one of the chosen plug-ins has that setting, `**{"method.vista.lam": 0.1}` in full.

    Returns:
        The run. Samples that failed are error rows of it (`run.status` is "partial", or "failed" if all did).

    Raises:
        UsageError: an unknown name or setting, or a value of another kind.
        HarnessError: the run cannot start or continue.
        KeyboardInterrupt: Ctrl-C; the same call continues where it stopped.
    """
    from harness.api.playing import logged, played
    from harness.config.compose import Asked

    own = {"task": task, "method": method, "model": model, "limit": limit, "decoding": decoding, "results": results}
    folders = [plugins] if isinstance(plugins, str | Path) else list(plugins)
    own |= {"seed": seed or None, "plugins": folders or None}
    own |= {"ids": ids if ids is None or isinstance(ids, str) else json.dumps([str(i) for i in ids])}
    given = pairs({k: v for k, v in own.items() if v is not None} | settings)
    console = _console()

    def listener(config: dict[str, Any]) -> Listener:
        check(given, config)
        return logged(config, console)

    def announce(full: list[str], known: registry.Registry) -> None:
        if not quiet(full):
            console.tell(heading(full, known))

    with _turn():
        registry.forget()
        kinds.forget()
        try:
            return Run(played(Asked([word for word, _ in given]), listener, announce))
        finally:
            console.stop()


def _console() -> Console:
    """Where progress is shown: a notebook's cell, or stderr."""
    from harness.loggers.console import Console
    from harness.loggers.notebook import Notebook, in_notebook

    return Notebook() if in_notebook() else Console(tables=False)


@contextmanager
def _turn() -> Iterator[None]:
    """Waits for the runs of other threads. Raises UsageError inside a run, which would wait for itself."""
    if threading.get_ident() in _PLAYER:
        raise UsageError("harness.evaluate was called by code of a run that is being played: call it after that run")
    with _TURN:
        _PLAYER.append(threading.get_ident())
        try:
            yield
        finally:
            _PLAYER.clear()

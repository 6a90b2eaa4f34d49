"""A notebook's cell: one line of progress that is drawn again in place."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from harness.core.sinks import line
from harness.core.types import Metric, Result, Sample
from harness.loggers.console import Console
from harness.runs.record import RunRecord

DRAW_EVERY = 0.5
"""Seconds between two drawings."""


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code. IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class Notebook(Console):
    """Messages are printed as by the console; the progress bar is a line of HTML."""

    _handle: Any = None
    _drawn = 0.0

    def __init__(self) -> None:
        super().__init__(tables=False)
        warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, whose bars are not shown here

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: Sequence[Result]) -> None:
        super().started(record, samples, finished)
        self._spoke = math.inf  # the bar says it
        self._draw()

    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None:
        super().progress(results, score)
        if time.monotonic() - self._drawn > DRAW_EVERY:
            self._draw()

    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
        if self._handle is not None:
            self._draw()
        super().ended(record, metrics, from_store=from_store)

    def _draw(self) -> None:
        if self.quiet:
            return
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        self._drawn = time.monotonic()
        errors = f", {self._errors} errors" if self._errors else ""
        said = escape(line(f"{self._done}/{self._total}{errors} {self._score}"))
        shown = HTML(f'<progress value="{self._done}" max="{self._total}"></progress> {said}')
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)

"""What commands have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.sinks import line
from harness.core.width import columns, fitted

if TYPE_CHECKING:
    from harness.runs.record import RunRecord


def say(text: object, *, err: bool = False) -> None:
    """One line on stdout, or stderr, whatever names and messages are part of it. On stdout it is broken where the
    terminal ends."""
    said = line(text)
    if err:
        print(said, file=sys.stderr, flush=True)
    else:
        print(*fitted(said, columns()), sep="\n", flush=True)


def counted(number: int, noun: str) -> str:
    """ "1 run", "2 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def results_folder(name: str) -> Path:
    """The results folder. Raises Missing if it holds no runs."""
    from harness.runs.stored import folder

    return folder(name)


def importable(records: Iterable[RunRecord]) -> None:
    """Make the plug-ins of these runs importable, as far as their folders are still there."""
    from harness.plugins.registry import Registry, folders_of

    Registry(folders_of(r.config for r in records))


def share_cores() -> None:
    """Let torch's idle threads sleep. By default they spin, which starves everything else on a busy machine.

    Must run before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


def warn(message: str) -> None:
    """One line beside a command's output, of something that was left out."""
    say(f"harness: {message}", err=True)

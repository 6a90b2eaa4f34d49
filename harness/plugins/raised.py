"""What code of a plug-in raised outside of an episode, as one line that names the plug-in and the place."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FrameType, TracebackType

from harness.core.errors import FULL, HarnessError, first_line
from harness.core.method import Method
from harness.core.task import Task
from harness.core.telling import VARIABLE
from harness.plugins.registry import PLACES

OURS = ("harness.tasks.", "harness.methods.")
"""Packages of plug-ins that come with harness."""


class Raised(HarnessError):
    """Code of a plug-in raised something. Its cause is what was raised; `traced`: `debug=true` asked for all of it."""


@contextmanager
def named(*, traced: bool = False) -> Iterator[None]:
    """Turns whatever code of a plug-in raises into Raised, its `sys.exit` too; other faults pass."""
    try:
        yield
    except HarnessError:
        raise
    except (Exception, SystemExit) as e:
        passes = isinstance(e, OSError) and e.errno in (*FULL, errno.EPIPE)
        passes |= isinstance(e, SystemExit) and _stopped(e.__traceback__)
        cause = e.__cause__ if isinstance(e.__cause__, StopIteration) else e  # Python makes a RuntimeError of it
        if passes or not (frames := _frames(cause.__traceback__)):
            raise
        name = frames[0][0].f_code.co_name
        fault = Raised(
            f"{_owner(frames[0][0])}: {'its import' if name == '<module>' else f'`{name}`'} raised {what(cause)} at "
            f"{frames[-1][0].f_code.co_filename}, line {frames[-1][1]}: fix it, and run the same command again "
            f"({VARIABLE}=1 shows the whole traceback)"
        )
        fault.traced = traced
        raise fault from e


def place(error: Exception) -> str:
    """Where code of a plug-in raised an error: "method=mine: `prepare`, mine.py, line 8". Empty for other code, and for
    errors whose message says it all."""
    if isinstance(error, HarnessError) or not (frames := _frames(error.__traceback__)):
        return ""
    last, line = frames[-1]
    # An answer's error comes through the task that asked.
    owner = next(
        (frame for frame, _ in reversed(frames) if isinstance(frame.f_locals.get("self"), Task | Method)), last
    )
    return f"{_owner(owner)}: `{owner.f_code.co_name}`, {Path(last.f_code.co_filename).name}, line {line}"


def what(error: BaseException) -> str:
    """ "KeyError ('x')", or the type alone where there is no message."""
    kind, said = type(error).__name__, first_line(error)
    return kind if said == kind else f"{kind} ({said})"


def _stopped(trace: TracebackType | None) -> bool:
    """Whether code of harness left: a handler of SIGTERM, wherever it struck. Code of others may stand behind it: wandb
    puts a function of its own in the place of `sys.exit`."""
    for frame in reversed([frame for frame, _ in traceback.walk_tb(trace)]):
        if _of_plugin(frame):
            return False
        if str(frame.f_globals.get("__name__")).startswith("harness."):
            return True
    return False


def _frames(trace: TracebackType | None) -> list[tuple[FrameType, int]]:
    """The frames of plug-ins with their lines, outermost first."""
    frames = list(traceback.walk_tb(trace))
    return [(frame, line) for frame, line in frames if _of_plugin(frame)]


def _entries() -> Iterator[metadata.EntryPoint]:
    for group in ("harness.tasks", "harness.methods"):
        yield from metadata.entry_points(group=group)


@cache
def _installed() -> frozenset[str]:
    """Packages that offer plug-ins."""
    return frozenset(entry.value.split(".")[0].split(":")[0] for entry in _entries())


def _of_plugin(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__"))
    if module.startswith(OURS) or module.split(".")[0] in _installed():
        return True
    file = Path(frame.f_code.co_filename).resolve()
    return "site-packages" not in file.parts and any(file.is_relative_to(place) for place in PLACES)


def _owner(frame: FrameType) -> str:
    """Whose code it is: "task=mine", or the class or module where it has no name."""
    one = frame.f_locals.get("self")
    if isinstance(one, Task | Method) and one.name:
        return f"{'task' if isinstance(one, Task) else 'method'}={one.name}"
    return str(frame.f_globals.get("__name__")) if one is None else type(one).__name__

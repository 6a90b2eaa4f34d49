"""One thing that is checked: what it is called, how it is done, and what to do where it fails."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import HarnessError, first_line


class Failed(AssertionError):
    """An invariant does not hold. The message says where, with the values that differ."""


class Skipped(Exception):
    """The check does not apply. The message says why."""


@dataclass(frozen=True)
class Check:
    """`run` returns a note ("9 families"), or raises Failed, Skipped, or whatever the plug-in raises."""

    title: str
    run: Callable[[], str]
    fix: str


@dataclass(frozen=True)
class Finding:
    """How a check ended. `state`: ok, FAILED or skipped."""

    title: str
    state: str
    note: str
    fix: str
    seconds: float


def found(checks: Iterable[Check]) -> Iterator[Finding]:
    """Each check's end, as soon as it is known. No exception of a plug-in ends the others."""
    for check in checks:
        began = time.monotonic()
        fix = ""
        try:
            state, note = "ok", check.run()
        except Skipped as e:
            state, note = "skipped", first_line(e, 1000)
        except Failed as e:
            state, note, fix = "FAILED", first_line(e, 1000), check.fix
        except HarnessError as e:  # says itself what to do
            state, note = "FAILED", first_line(e, 1000)
        except Exception as e:  # code of anybody's plug-in
            state, note, fix = "FAILED", f"{type(e).__name__}: {first_line(e)}{where(e)}", check.fix
        yield Finding(check.title, state, note, fix, time.monotonic() - began)


def where(error: BaseException) -> str:
    """ " (look.py, line 12)": the innermost line of the plug-in, or of anything where it has none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and "/harness/" not in f.filename] or list(frames)
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""

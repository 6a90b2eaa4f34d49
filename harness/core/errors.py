"""One exception family. The command line turns each into one line on stderr and its exit code."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from harness.core.secrets import redacted

DONE, NO, USAGE, INCOMPLETE, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 4, 130


class HarnessError(Exception):
    """Something a user can fix. The message is one sentence that tells what failed and how to fix it."""

    exit_code = NO
    traced = False
    """Whether the command line shows its traceback, too."""

    def __str__(self) -> str:
        """Without secrets: a message often quotes another's."""
        return redacted(super().__str__())


class UsageError(HarnessError):
    """Wrong words on the command line or in a configuration (exit 2)."""

    exit_code = USAGE


class Missing(HarnessError):
    """A file, an extra, a model or a data set that is not there (exit 3)."""

    exit_code = INCOMPLETE


class NoRoom(HarnessError):
    """A full disk, a quota, or a limit of a file's size (exit 3)."""

    exit_code = INCOMPLETE


class BrokenPromise(HarnessError):
    """A library no longer behaves as methods rely on. Ends the run: its answers would be another method's."""


class Unusable(HarnessError):
    """One sample that cannot be played: a corrupt picture, a field of the wrong type. Costs one error row."""


def near(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """ "did you mean a or b?", or an empty string where nothing known is near."""
    import difflib

    found = difflib.get_close_matches(word, sorted(known), n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(found)}?" if found else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """What a message about an unknown word ends with: the nearest known ones, or the first twenty of all."""
    known = list(known)
    more = ", ..." if len(known) > 20 else ""
    return near(word, known) or f"choose one of {', '.join(known[:20])}{more}"


def first_line(error: BaseException, limit: int = 200) -> str:
    """The first line of an error's message, at most `limit` characters; its type where the message is empty."""
    lines = (line.strip() for line in redacted(str(error)).splitlines())
    return next((line for line in lines if line), type(error).__name__)[:limit]


def not_json(error: Exception, first: int = 1) -> str:
    """Why a text is not JSON, with the line of its file, where it begins on the line `first`."""
    import json

    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not isinstance(error, json.JSONDecodeError):
        return first_line(error)
    return f"{error.msg}: line {first + error.lineno - 1}, column {error.colno}"


FATAL = (UsageError, Missing, BrokenPromise)
"""Errors that end a run. Any other costs the sample that caused it."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)


def _innermost(error: BaseException) -> str:
    """The function that raised it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_name if trace else ""


@contextmanager
def writing() -> Iterator[None]:
    """Turns an error of a disk that has no more room into NoRoom, and one of a folder's name or rights into Missing."""
    try:
        yield
    except OSError as e:
        unmade = e.errno == errno.ENOENT and _innermost(e) in ("mkdir", "makedirs", "mkdtemp")  # as below /proc
        if (e.errno in CLOSED or unmade) and e.filename:
            raise Missing(f"{e.filename}: {e.strerror}: choose another folder, or change its permissions") from e
        if e.errno not in FULL:
            raise
        where = f" for {e.filename}" if e.filename else ""
        raise NoRoom(f"no room{where} ({e.strerror}): make some, and run the same command again") from e

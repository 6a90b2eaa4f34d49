"""Ends what a killed process leaves behind: Ray's agents outlive a driver that was killed (SIGKILL) by a minute.

A process of its own waits for the end of the driver, and then ends what is left of the driver's Ray processes and of
what they started. It runs as a script, so that it stays small. On systems without /proc nothing is watched.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PROC = Path("/proc")
EVERY = 2.0
"""Seconds between two looks at what has been started."""
GRACE = 3.0
"""Seconds for what ends by itself."""


@functools.cache
def watch() -> object:
    """From now on, Ray processes that this one starts do not outlive it."""
    if not PROC.joinpath("self", "stat").exists():
        return None
    # Our end of the pipe, which is kept with what this returns, closes with us, however we end.
    return subprocess.Popen([sys.executable, "-I", __file__, str(os.getpid())], stdin=subprocess.PIPE)


def _processes() -> dict[int, tuple[int, str]]:
    """Process -> its parent, and when it started, which tells it from a later one of the same number."""
    found = {}
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rpartition(")")[2].split()
            found[int(path.parent.name)] = int(fields[1]), fields[19]
    return found


def _ray(pid: int) -> bool:
    try:
        words = PROC.joinpath(str(pid), "cmdline").read_bytes()
    except OSError:
        return False
    return b"/ray/core/" in words or b"/ray/_private/" in words


def _grown(known: dict[int, str], driver: int | None) -> dict[int, str]:
    """What of `known` is still there, with what it started; with a living driver's Ray processes."""
    processes = _processes()
    out = {pid: began for pid, began in known.items() if processes.get(pid, (0, ""))[1] == began}
    if driver:
        out |= {pid: began for pid, (above, began) in processes.items() if above == driver and _ray(pid)}
    while new := {p: began for p, (above, began) in processes.items() if above in out and p not in out}:
        out |= new
    return out


def _main(driver: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    known: dict[int, str] = {}
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        known = _grown(known, driver)
    time.sleep(GRACE)
    for pid in _grown(known, None):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _main(int(sys.argv[1]))

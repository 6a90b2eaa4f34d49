"""How the command line says what ended a command: one line, and the traceback on request."""

from __future__ import annotations

import os
import sys
import traceback

from harness.core.errors import HarnessError
from harness.core.secrets import redacted
from harness.core.sinks import line

VARIABLE = "HARNESS_TRACEBACK"
"""Environment variable: any value but an empty one shows the traceback of whatever ends a command."""


def tell(error: HarnessError) -> None:
    """One line on stderr, after the traceback where it is asked for."""
    if os.environ.get(VARIABLE) or error.traced:
        show(error)
    sys.stderr.write(line(f"harness: {error}") + "\n")


def show(error: BaseException) -> None:
    """The traceback on stderr; a library's message in it may quote a key."""
    sys.stderr.write(redacted("".join(traceback.format_exception(error))))

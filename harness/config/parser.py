"""The parser of every command's words: wrong ones are one line, `results=DIR` is `--results DIR`."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from harness.core.errors import UsageError

VARIABLE = "HARNESS_RESULTS"


class Parser(argparse.ArgumentParser):
    """Wrong words are a UsageError (exit 2) with the nearest option."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.split(' ', 1)[-1]}: {message}; see {self.prog} --help")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        words = [f"--{w}" if w.startswith("results=") else w for w in args or ()]
        given, rest = self.parse_known_intermixed_args(words, namespace)
        if rest:
            options = [o for action in self._actions for o in action.option_strings]
            near = difflib.get_close_matches(rest[0].partition("=")[0], options, n=2, cutoff=0.6)
            hint = f": did you mean {' or '.join(near)}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
        return given


def results_default() -> str:
    """The results folder of every command that names none: $HARNESS_RESULTS, or `results`."""
    return os.environ.get(VARIABLE) or "results"


def add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results",
        default=results_default(),
        type=_folder,
        metavar="DIR",
        help="folder of runs/ and harness.duckdb, also as results=DIR (default: HARNESS_RESULTS or results)",
    )


def _folder(name: str) -> str:
    if not name:
        raise argparse.ArgumentTypeError("it is empty: is a shell variable unset?")
    return name

"""The parser of every command's words: wrong ones are one line, `results=DIR` is `--results DIR`."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from harness.core.errors import UsageError, near, nearest
from harness.core.width import columns, fitted

VARIABLE = "HARNESS_RESULTS"


class Parser(argparse.ArgumentParser):
    """Wrong words are a UsageError (exit 2) with the nearest option; options are never abbreviated."""

    def __init__(self, **settings: Any):
        super().__init__(**settings, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)

    @property
    def options(self) -> list[str]:
        return [o for action in self._actions for o in action.option_strings]

    def format_help(self) -> str:
        """Lines that fit into the terminal, also those of examples."""
        width = columns()
        return "\n".join(part for line in super().format_help().split("\n") for part in fitted(line, width))

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.split(' ', 1)[-1]}: {message}; see {self.prog} --help")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        words = [f"--{w}" if w.startswith("results=") else w for w in args or ()]
        given, rest = self.parse_known_intermixed_args(words, namespace)
        if rest:
            hint = near(rest[0].partition("=")[0], self.options, 0.6)
            self.error(f"unrecognized arguments: {' '.join(rest)}{f': {hint}' if hint else ''}")
        return given


def one_of(what: str, known: Iterable[str]) -> dict[str, Any]:
    """Arguments of `add_argument` for one of these words. Another is a UsageError with the nearest."""
    known = list(known)

    def read(word: str) -> str:
        if word not in known:
            raise UsageError(f"unknown {what}: {word}: {nearest(word, known)}")
        return word

    return {"type": read, "metavar": "|".join(known)}


def number(least: float, most: float = math.inf, kind: type[int] | type[float] = float) -> Callable[[str], float]:
    """For `add_argument(type=number(0))`: a finite number from `least` to `most`. `kind`: int for whole ones."""

    def read(word: str) -> float:
        try:
            found = kind(word)
        except ValueError:
            found = math.nan
        if not least <= found <= most or found == math.inf:
            what = "a whole number" if kind is int else "a number"
            upto = " or more" if most == math.inf else f" to {most}"
            raise argparse.ArgumentTypeError(f"{word!r} must be {what}, {least:g}{upto}")
        return found

    return read


def whole(least: int, most: float = math.inf) -> Callable[[str], float]:
    """For `add_argument(type=whole(1))`: a whole number from `least` to `most`."""
    return number(least, most, int)


port = whole(0, 65535)
"""For `add_argument(type=port)`; 0 is any free one."""


def results_default() -> str:
    """The results folder of every command that names none: $HARNESS_RESULTS, or `results`."""
    return os.environ.get(VARIABLE) or "results"


def add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results",
        default=results_default(),
        type=_folder,
        metavar="DIR",
        help="folder with runs/ and harness.duckdb, also as results=DIR (default: HARNESS_RESULTS or results)",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Words that compose a run. `results` is None where it is not given, so that a run's words stay as typed."""
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings of the run")
    parser.set_defaults(results=None)


def add_hydra(parser: argparse.ArgumentParser) -> None:
    """Hydra's own options."""
    parser.add_argument("-m", "--multirun", action="store_true", help="sweep over comma-separated values")
    parser.add_argument(
        "-c",
        "--cfg",
        help="print the resolved configuration, run nothing",
        **one_of("configuration", ("job", "hydra", "all")),
    )
    parser.add_argument("-p", "--package", metavar="KEY", help="with --cfg: a part of it")
    parser.add_argument("--resolve", action="store_true", help="with --cfg: always done")


def _folder(name: str) -> str:
    if not name:
        raise argparse.ArgumentTypeError("it is empty: is a shell variable unset?")
    return name

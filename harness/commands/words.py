"""What the subcommands' argument parsers have in common."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

from harness.core.errors import Missing, UsageError


class Parser(argparse.ArgumentParser):
    """Wrong words are a UsageError: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.split(' ', 1)[-1]}: {message}; see {self.prog} --help")


def parser(command: str, description: str) -> argparse.ArgumentParser:
    made = Parser(prog=f"harness {command}", description=description)
    made.add_argument(
        "--results",
        default=os.environ.get("HARNESS_RESULTS", "results"),
        metavar="DIR",
        help="folder of runs/ and harness.duckdb (default: HARNESS_RESULTS or results)",
    )
    return made


def results_folder(name: str) -> Path:
    """The results folder. Raises Missing if it holds no runs."""
    path = Path(name)
    if not (path / "runs").is_dir():
        raise Missing(
            f"{path} holds no runs: harness eval makes the first one, or name another folder by --results DIR"
        )
    return path


def share_cores() -> None:
    """Let torch's idle threads sleep. By default they spin, which starves everything else on a busy machine.

    Must run before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")

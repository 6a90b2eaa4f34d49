"""harness submit: the files of a results pull request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.commands.words import results_folder, say
from harness.config.parser import Parser
from harness.core.errors import UsageError

HELP = "check finished runs and write the files that a results pull request commits"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="by name or beginning")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="default: submitted/ in the results folder")
    parser.add_argument("--check", action="store_true", help="write nothing")


def run(given: Any) -> int:
    from harness.leaderboard.submit import problems, write
    from harness.runs.stored import find

    results = results_folder(given.results)
    folder = given.folder or results / "submitted"
    runs = [find(results, name) for name in given.runs]
    refused = {run.name: found for run in runs if (found := problems(run))}
    if refused:
        listed = "; ".join(f"{name}: {'; '.join(found)}" for name, found in refused.items())
        raise UsageError(f"refused: {listed}")
    for run in runs:
        say(f"{run.name}: complete" if given.check else write(run, folder))
    if not given.check:
        say(f"git add {folder}, commit, and open a pull request; site: harness site build --results DIR")
    return 0

"""harness submit: the files of a results pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.commands.words import parser, results_folder
from harness.core.errors import UsageError


def main(words: Sequence[str]) -> int:
    arguments = parser("submit", "check finished runs and write the files that a results pull request commits")
    arguments.add_argument("runs", nargs="+", metavar="RUN", help="by name or beginning")
    arguments.add_argument(
        "--folder", type=Path, default=Path("results/submitted"), metavar="DIR", help="default: results/submitted"
    )
    arguments.add_argument("--check", action="store_true", help="write nothing")
    given = arguments.parse_args(words)
    from harness.leaderboard.submit import problems, write
    from harness.runs.stored import find

    runs = [find(results_folder(given.results), name) for name in given.runs]
    refused = {run.name: found for run in runs if (found := problems(run))}
    if refused:
        listed = "; ".join(f"{name}: {'; '.join(found)}" for name, found in refused.items())
        raise UsageError(f"refused: {listed}")
    for run in runs:
        print(f"{run.name}: complete" if given.check else write(run, given.folder))
    if not given.check:
        print(f"git add {given.folder}, commit, and open a pull request; site: harness site build --results DIR")
    return 0

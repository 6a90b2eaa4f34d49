"""harness baseline: the accepted runs that the gate compares with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.playing import timings
from harness.commands.words import results_folder, say
from harness.config.parser import Parser, one_of, whole
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.gate.baseline import BaselineRun

ACTIONS = ("update", "show", "verify")
HELP = "the accepted runs that harness gate compares with"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("action", help="accept runs, print them, check files", **one_of("action", ACTIONS))
    parser.add_argument("runs", nargs="*", metavar="RUN", help="update: runs by name or beginning")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="default: baseline/ in the results folder")
    parser.add_argument("--reason", metavar="TEXT", help="update: why these runs are accepted")
    parser.add_argument(
        "--timings", type=whole(0), default=0, metavar="N", help="update: repeat each run N times, to time it"
    )
    parser.add_argument("--even-if-worse", action="store_true", help="update: accept a run that the gate fails")


def run(given: Any) -> int:
    from harness.gate.baseline import read, summary
    from harness.gate.policy import folder_of, read_policy

    folder = given.folder or folder_of(read_policy(None), Path(given.results))
    if given.action == "update":
        return _update(given, folder)
    runs = read(folder)
    if given.action == "show":
        print(summary(runs), end="")
        return 0
    for run in runs:
        run.verify()
        say(f"{run.name}: {len(run.results())} samples, as accepted on {run.entry['accepted'][:10]}")
    return 0


def _kept(base: BaselineRun, run: str) -> bool:
    """Whether the file of an accepted run is there to compare with. Without it another run takes its place unjudged: no
    other way repairs a baseline whose file is lost."""
    from harness.gate.baseline import Tampered

    try:
        base.verify()
    except Tampered:
        say(f"{base.name}: {base.path} is missing or damaged: {run} takes its place without a comparison")
        return False
    return True


def _update(given: Any, folder: Path) -> int:
    from harness.core.score import primary
    from harness.gate.baseline import accept, read, same
    from harness.gate.baseline import words as overrides
    from harness.gate.policy import read_policy
    from harness.gate.verdicts import verdicts
    from harness.runs.stored import find

    if not given.runs:
        raise UsageError("harness baseline update: name the runs to accept (harness ls shows them)")
    if not given.reason:
        raise UsageError("harness baseline update: give a reason with --reason TEXT: it goes into the manifest")
    runs = [find(results_folder(given.results), name) for name in given.runs]
    policy = read_policy(None)
    known = read(folder) if (folder / "manifest.json").exists() else []
    for run in runs:
        before = [b for b in known if same(b, run.record) and _kept(b, run.name)]
        made = verdicts(before, [run] * len(before), policy)
        if made.exit_code == 1 and not given.even_if_worse:
            raise UsageError(
                f"{run.name} is worse than the baseline: {made.entries[0].message}: the gate fails it, so it cannot "
                "become a baseline (--even-if-worse accepts it anyway)"
            )
    for run in runs:
        measured = timings(overrides(run.record), given.timings)
        accepted = accept(folder, run, given.reason, measured)
        first = primary(accepted.metrics)
        say(f"{accepted.name}: {first.name} {first.value:.4f}" if first else accepted.name)
    return 0

"""harness baseline: the accepted runs that the gate compares with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.commands.playing import timings
from harness.commands.words import parser, results_folder
from harness.core.errors import UsageError


def main(words: Sequence[str]) -> int:
    arguments = parser("baseline", "the accepted runs that harness gate compares with")
    arguments.add_argument("action", choices=("update", "show", "verify"), help="accept runs, print them, check files")
    arguments.add_argument("runs", nargs="*", metavar="RUN", help="update: runs by name or beginning")
    arguments.add_argument(
        "--folder", type=Path, default=Path("results/baseline"), metavar="DIR", help="default: results/baseline"
    )
    arguments.add_argument("--reason", metavar="TEXT", help="update: why these runs are accepted")
    arguments.add_argument(
        "--timings", type=int, default=0, metavar="N", help="update: repeat each run N times, to time it"
    )
    arguments.add_argument("--even-if-worse", action="store_true", help="update: accept a run that the gate fails")
    given = arguments.parse_args(words)
    from harness.gate.baseline import read, summary

    if given.action == "update":
        return _update(given)
    runs = read(given.folder)
    if given.action == "show":
        print(summary(runs), end="")
        return 0
    for run in runs:
        run.verify()
        print(f"{run.name}: {len(run.results())} samples, as accepted on {run.entry['accepted'][:10]}")
    return 0


def _update(given: object) -> int:
    from harness.gate.baseline import accept, read, same
    from harness.gate.baseline import words as overrides
    from harness.gate.policy import read_policy
    from harness.gate.verdicts import verdicts
    from harness.runs.stored import find

    folder, reason = given.folder, given.reason  # type: ignore[attr-defined]
    if not given.runs:  # type: ignore[attr-defined]
        raise UsageError("harness baseline update: name the runs to accept (harness ls shows them)")
    if not reason:
        raise UsageError("harness baseline update: give a reason with --reason TEXT: it goes into the manifest")
    runs = [find(results_folder(given.results), name) for name in given.runs]  # type: ignore[attr-defined]
    policy = read_policy(Path("gate.yaml") if Path("gate.yaml").is_file() else None)
    known = read(folder) if (folder / "manifest.json").exists() else []
    for run in runs:
        before = [b for b in known if same(b.record, run.record)]
        made = verdicts(before, [run] * len(before), policy)
        if made.exit_code == 1 and not given.even_if_worse:  # type: ignore[attr-defined]
            raise UsageError(
                f"{run.name} is worse than the baseline: {made.entries[0].message}: the gate fails it, so it cannot "
                "become a baseline (--even-if-worse accepts it anyway)"
            )
    for run in runs:
        measured = timings(overrides(run.record), given.timings)  # type: ignore[attr-defined]
        accepted = accept(folder, run, reason, measured)
        primary = next((m for m in accepted.metrics if m.primary), None)
        print(f"{accepted.name}: {primary.name} {primary.value:.4f}" if primary else accepted.name)
    return 0

"""harness gate: compare runs with a committed baseline, and say so by the exit code."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.playing import current, play, timings
from harness.commands.words import say, share_cores
from harness.config.parser import Parser, number, whole
from harness.core.errors import HarnessError, UsageError
from harness.core.width import columns, fitted

if TYPE_CHECKING:
    from harness.gate.baseline import BaselineRun
    from harness.gate.policy import Policy
    from harness.gate.verdicts import Report
    from harness.runs.stored import StoredRun

HELP = """for CI: judges each baseline run against the run that its command makes with the current code.
Exit 0 passed, 1 regressed or crashed, 3 missing or not comparable, 4 inconclusive."""


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--baseline",
        metavar="DIR|RUN",
        help="folder (default: baseline/ in the results folder), or one run",
    )
    parser.add_argument("--candidate", metavar="RUN", help="with --baseline RUN: the run that is judged")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="gate.yaml (default: gate.yaml here, if any)")
    parser.add_argument("--tolerance", type=number(0), metavar="D", help="tolerated loss of all checks, e.g. 0.01")
    parser.add_argument("--run", action="store_true", help="first make the runs that are missing")
    parser.add_argument(
        "--timings",
        type=whole(0),
        default=0,
        metavar="N",
        help="repeat each run N times, to judge its speed (5 or more)",
    )
    for name in ("json", "junit", "sarif", "markdown"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"also write the report as {name}")


def run(given: Any) -> int:
    share_cores()
    from harness.gate import report as write
    from harness.gate.alerts import send
    from harness.gate.policy import folder_of, read_policy
    from harness.gate.verdicts import verdicts

    policy = read_policy(given.policy, given.tolerance)
    results = Path(given.results)
    by_name = bool(given.baseline) and not Path(given.baseline).is_dir() and (results / "runs").is_dir()
    given.baseline = given.baseline or str(folder_of(policy, results))
    with tempfile.TemporaryDirectory(prefix="harness-gate-") as scratch:
        sides = _two_runs(results, given, Path(scratch)) if by_name else _sides(results, given)
        baselines, candidates = sides
        _check(policy, baselines, given)
        repeats = [_timings(b, c, given.timings) for b, c in zip(baselines, candidates, strict=True)]
        made = verdicts(baselines, candidates, policy, repeats)
    for line in write.text(made).split("\n"):
        print(*fitted(line, columns()), sep="\n")
    manifest = str(Path(given.baseline) / "manifest.json")
    _files(made, given, manifest)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print("\n".join(write.annotations(made)))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(write.markdown(made))
    for sent in send(made, policy.alerts, write.markdown(made), results / "alerts.json"):
        say(sent)
    return made.exit_code


def _sides(results: Path, given: Any) -> tuple[list[Any], list[Any]]:
    """The runs of a baseline folder, and beside each the run that is judged."""
    from harness.gate.baseline import read

    if given.candidate:
        raise UsageError("--candidate goes with --baseline RUN; a baseline folder finds its own candidates")
    baselines = read(Path(given.baseline))
    return baselines, [_candidate(b, results, run=given.run) for b in baselines]


def _candidate(baseline: BaselineRun, results: Path, *, run: bool) -> StoredRun | HarnessError:
    """What the baseline's command makes with the code of today, whatever else was played since; or why there is
    none, which is judged as well."""
    try:
        return play(baseline.words, results) if run else current(baseline.words, results)
    except HarnessError as e:
        return e


def _check(policy: Policy, baselines: Sequence[BaselineRun], given: Any) -> None:
    """Raises UsageError where a check would judge nothing. Two runs by name need one that fits."""
    from harness.gate.policy import unused

    records = [b.record for b in baselines]
    found = unused(policy, records)
    if found and not (given.candidate and any(c.fits(r) for c in policy.checks for r in records)):
        raise UsageError(found)


def _two_runs(results: Path, given: Any, scratch: Path) -> tuple[list[Any], list[Any]]:
    """The run that --baseline names, and the one that --candidate names."""
    from harness.gate.baseline import accept
    from harness.runs.stored import find

    if not given.candidate:
        raise UsageError(f"{given.baseline} is not a baseline folder: for a run add --candidate RUN")
    old, new = find(results, given.baseline), find(results, given.candidate)
    return [accept(scratch, old, "for this comparison")], [new]


def _timings(baseline: BaselineRun, candidate: Any, repeats: int) -> list[dict[str, float]]:
    """Costs of repeated runs, where the baseline has some to compare with."""
    wanted = repeats and baseline.timings and not isinstance(candidate, HarnessError)
    return timings(baseline.words, repeats) if wanted else []


def _files(made: Report, given: Any, manifest: str) -> None:
    from harness.gate import report as write

    texts = {
        "json": write.as_json,
        "junit": write.junit,
        "markdown": write.markdown,
        "sarif": lambda r: write.sarif(r, manifest),
    }
    for name, make in texts.items():
        if (path := getattr(given, name)) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(make(made), encoding="utf-8")

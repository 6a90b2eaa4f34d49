"""harness rescore: stored answers under the scores that their tasks give now. No model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.words import importable, results_folder, say, warn
from harness.config.parser import Parser
from harness.core.errors import DONE, INCOMPLETE, HarnessError, UsageError
from harness.core.telling import tell

if TYPE_CHECKING:
    from harness.runs.record import RunRecord

HELP = "score stored answers again with the current code of their tasks; no model is asked"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs by name or beginning")
    parser.add_argument("--all", action="store_true", help="every finished run, newest first")


def run(given: Any) -> int:
    if bool(given.runs) == given.all:
        raise UsageError("harness rescore: name runs (harness ls shows them), or give --all")
    from harness.runs.stored import find, stored
    from harness.store import ingest

    results = results_folder(given.results)
    runs = stored(results, warn) if given.all else [find(results, name) for name in given.runs]
    importable(r.record for r in runs)
    made: list[Path] = []
    code = DONE
    for run in runs:
        if given.all and not _counts(run.record):
            continue
        try:
            name = _renewed(run, results, check=not given.all)
        except HarnessError as e:
            tell(e)
            code = INCOMPLETE
        else:
            made += [results / "runs" / name] if name else []
    if made:
        ingest(results, made)
    if given.all:
        say(f"{len(made)} runs rescored")
    return code


def _counts(record: RunRecord) -> bool:
    """Whether --all means a run: not one that continues, was imported, or marks a level by the task's own records."""
    return record.status.ended and not record.imported and record.model not in ("chance", "oracle")


def _renewed(run: Any, results: Path, *, check: bool) -> str:
    """Rescore one run and say so; the name of the new run, or "" where none was written."""
    from harness.engine.renewal import renew

    found = renew(run, results, check=check)
    if found.made:
        before, now = (f"{m.name} {m.value:.4f}" if m else "no score" for m in (run.primary, found.metric))
        say(f"{run.name}: {before}, now {now}: {found.name}")
        return found.name
    if check:
        same = found.name == run.name
        say(f"{run.name}: {'its scores are what its task gives now' if same else f'was rescored as {found.name}'}")
    return ""

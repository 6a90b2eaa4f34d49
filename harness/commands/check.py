"""harness check: whether a method or a task of one's own keeps to what all of them must. No checkout is needed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.words import say, share_cores
from harness.config.parser import Parser
from harness.core.errors import DONE, NO, UsageError, nearest
from harness.plugins.registry import Registry

if TYPE_CHECKING:
    from harness.checks.check import Check
    from harness.plugins.plugin import Plugin

KINDS = ("method", "task")
HELP = "test a method or task of your own, on small models, in under a minute"


def add_arguments(parser: Parser) -> None:
    what = "what to check, and its settings; with a method, the task= and model= of its runs"
    parser.add_argument("words", nargs="+", metavar="method=NAME|task=NAME", help=what)
    parser.add_argument("--plugins", action="append", default=[], metavar="DIR", help="folder with plug-ins")


def run(given: Any) -> int:
    from harness.config.compose import plugin_folders

    named = {kind: [w.partition("=")[2] for w in given.words if w.startswith(f"{kind}=")] for kind in KINDS}
    kind = next((k for k in KINDS if named[k]), "")
    if not kind or any(len(names) > 1 for names in named.values()):
        raise UsageError("harness check: name one method or one task, for example harness check method=look")
    (name,) = named[kind]
    folders = [*given.plugins, *plugin_folders(given.words)]
    plugin = Registry(folders).get(kind, name)
    settings = [w for w in given.words if not w.startswith((f"{kind}=", "plugins="))]
    for word in settings:
        key = word.partition("=")[0].partition(".")[0]
        if key not in (*KINDS, "model", "calibration"):
            known = (f"{kind}.KEY", "task", "model", "plugins")
            raise UsageError(f"harness check: {word} cannot be set: {nearest(key, known)}")
    words = [*settings, f"plugins=[{','.join(folders)}]"] if folders else settings
    share_cores()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    say(f"{kind} {name} ({plugin.path})")
    with tempfile.TemporaryDirectory(prefix="harness-check-") as scratch:
        return report(_checks(kind, plugin, words, Path(scratch)))


def _checks(kind: str, plugin: Plugin, words: Sequence[str], scratch: Path) -> Iterator[Check]:
    if kind == "method":
        from harness.checks.methods import checks
    else:
        from harness.checks.tasks import checks
    return checks(plugin, words, scratch)


def report(checks: Iterator[Check]) -> int:
    """A line a check, as it ends. Returns the exit code."""
    from harness.checks.check import found

    counts: dict[str, int] = {}
    for finding in found(checks):
        counts[finding.state] = counts.get(finding.state, 0) + 1
        note = f": {finding.note}" if finding.note else ""
        say(f"  {finding.state:<8} {finding.title}{note} ({finding.seconds:.1f} s)")
        if finding.fix:
            say(f"           fix: {finding.fix}")
    skipped = f", {counts['skipped']} skipped" if "skipped" in counts else ""
    say(f"{counts.get('ok', 0)} checks passed, {counts.get('FAILED', 0)} failed{skipped}")
    return NO if "FAILED" in counts else DONE

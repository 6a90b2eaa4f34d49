"""harness site: the leaderboard as static pages."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.commands.words import say
from harness.config.parser import Parser, one_of, port
from harness.core.errors import UsageError

ACTIONS = ("build", "serve")
HELP = "the leaderboard as static pages, made from harness.duckdb in the results folder"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("action", help="write the pages, or also serve them here", **one_of("action", ACTIONS))
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: site/ in the results folder")
    parser.add_argument("--no-pictures", action="store_true", help="leave out the samples' pictures")
    parser.add_argument(
        "--private-pictures",
        action="store_true",
        help="serve: show the pictures of all records here, also those that may not be published; writes no site",
    )
    parser.add_argument(
        "--port", type=port, default=8000, metavar="N", help="serve: on 127.0.0.1 (8000; 0: any free one)"
    )
    parser.add_argument("--plugins", action="append", default=[], metavar="DIR", help="folder with plug-ins")


def run(given: Any) -> int:
    if given.private_pictures and (given.action != "serve" or given.out or given.no_pictures):
        raise UsageError("--private-pictures goes with harness site serve, and without --out and --no-pictures")
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that no scratch folder is left
    try:
        if given.private_pictures:
            with tempfile.TemporaryDirectory(prefix="harness-site-") as scratch:
                return _run(given, Path(scratch) / "site")
        return _run(given, given.out or Path(given.results) / "site")
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(given: Any, out: Path) -> int:
    from harness.leaderboard.build import build
    from harness.leaderboard.pictures import Private

    results = Path(given.results)
    private = Private() if given.private_pictures else None

    def make() -> None:
        options = {"plugin_folders": given.plugins, "with_pictures": not given.no_pictures, "private": private}
        made = build(results, out, **options, say=_say)
        say(f"{made.out}: {made.files} files, {made.bytes / 1e6:.1f} MB, {made.runs} runs")

    make()
    if given.action == "serve":
        from harness.leaderboard.serve import serve

        serve(out, results, given.port, make, private)
    return 0


def _say(line: str) -> None:
    say(line, err=True)

"""harness site: the leaderboard as static pages."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from harness.commands.words import say
from harness.config.parser import Parser, one_of

ACTIONS = ("build", "serve")
HELP = "the leaderboard as static pages, made from harness.duckdb in the results folder"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("action", help="write the pages, or also serve them here", **one_of("action", ACTIONS))
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: site/ in the results folder")
    parser.add_argument("--no-pictures", action="store_true", help="leave out the samples' pictures")
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="serve: on 127.0.0.1 (8000; 0: any free one)"
    )
    parser.add_argument("--plugins", action="append", default=[], metavar="DIR", help="folder with plug-ins")


def run(given: Any) -> int:
    from harness.leaderboard.build import build

    results = Path(given.results)
    out = given.out or results / "site"

    def make() -> None:
        options = {"plugin_folders": given.plugins, "with_pictures": not given.no_pictures}
        made = build(results, out, **options, say=_say)
        say(f"{made.out}: {made.files} files, {made.bytes / 1e6:.1f} MB, {made.runs} runs")

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that no scratch folder is left
    try:
        make()
    finally:
        signal.signal(signal.SIGTERM, before)
    if given.action == "serve":
        from harness.leaderboard.serve import serve

        serve(out, results, given.port, make)
    return 0


def _say(line: str) -> None:
    say(line, err=True)

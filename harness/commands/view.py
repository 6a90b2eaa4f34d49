"""harness view: runs and their samples in a browser, while they run."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.commands.words import say
from harness.config.parser import Parser, port

HELP = "runs and their samples in a browser on this machine, also while they run; only reads"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run by name or beginning: prints its page's address")
    parser.add_argument("--port", type=port, default=8001, metavar="N", help="on 127.0.0.1 (8001; 0: any free one)")


def run(given: Any) -> int:
    from harness.leaderboard.board import slug
    from harness.leaderboard.serve import until_interrupted
    from harness.leaderboard.view import View, write
    from harness.runs.stored import find

    results = Path(given.results)
    page = f"run.html?run={slug(find(results, given.run).name)}" if given.run else ""

    def told(address: str) -> None:
        say(f"{address}{page}  (Ctrl-C ends it)")

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that no scratch folder is left
    try:
        with tempfile.TemporaryDirectory(prefix="harness-view-") as folder:
            write(Path(folder), results)
            until_interrupted(Path(folder), given.port, View(results).answer, told)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0
